"""Proof that two scalars are equal, by SymPy. Runs in worker processes only.

SymPy objects are built node by node from the parsed tree: no text reaches `sympify`, `parse_expr` or `eval`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sympy

from permix.verifier.expression import Expr
from permix.verifier.form import UndecidedError
from permix.verifier.lexer import FUNCTIONS, NotAValueError

_CONSTANTS = {"pi": sympy.pi, "e": sympy.E, "i": sympy.I, "oo": sympy.oo}
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    name: getattr(sympy, name) for name in FUNCTIONS - {"exp", "ln", "log"}
} | {"ln": sympy.log, "log": lambda arg, base=10: sympy.log(arg, base)}  # fmt: skip


def proves_equal(gold: Expr, answer: Expr) -> bool:
    """Whether the difference of two scalars is zero. May run for ever; the worker is killed then.

    The pair agrees in floating point already, so what is missing is a proof. Raises UndecidedError if SymPy has none.
    """
    left, right = build(gold), build(answer)
    difference = left - right
    if difference == 0:
        return True
    if difference.is_number and _is_refuted(difference):
        return False
    if any(_is_zero_after(step, difference) for step in _STEPS):
        return True
    raise UndecidedError("unproved")


def _is_zero_after(step: Callable[[Any], Any], difference: Any) -> bool:
    try:
        return bool(step(difference) == 0)
    except MemoryError:
        raise
    except Exception:
        # SymPy raises almost anything on expressions that a step was not made for. That is no proof; the next may be.
        return False


def _is_refuted(difference: Any) -> bool:
    """Whether sixty digits already tell a number from zero."""
    value = difference.evalf(60, maxn=500)
    return bool(value.is_number and abs(value) > sympy.Float("1e-40", 60))


def _as_algebraic_number(difference: Any) -> Any:
    """Zero if the minimal polynomial of an algebraic number is that of zero."""
    if not difference.is_algebraic:
        return difference
    variable = sympy.Dummy()
    return sympy.S.Zero if sympy.minimal_polynomial(difference, variable) == variable else difference


# From cheap to dear.
_STEPS: tuple[Callable[[Any], Any], ...] = (
    sympy.expand,
    sympy.radsimp,
    sympy.sqrtdenest,
    lambda difference: sympy.expand(sympy.powsimp(sympy.expand(difference))),
    lambda difference: sympy.cancel(sympy.together(difference)),
    sympy.trigsimp,
    lambda difference: sympy.expand_trig(difference).simplify(),
    sympy.simplify,
    _as_algebraic_number,
    lambda difference: sympy.logcombine(sympy.expand_log(difference, force=True), force=True).simplify(),
)


def build(expr: Expr) -> Any:
    """The SymPy object of a scalar. Raises NotAValueError for what is no scalar."""
    if expr.op == "num":
        assert expr.value is not None
        return sympy.Rational(expr.value.numerator, expr.value.denominator)
    if expr.op == "sym":
        return _CONSTANTS.get(expr.text) or sympy.Symbol(expr.text, real=True)
    args = [build(arg) for arg in expr.args]
    match expr.op:
        case "add":
            return sympy.Add(*args)
        case "mul":
            return sympy.Mul(*args)
        case "neg":
            return -args[0]
        case "div":
            return args[0] / args[1]
        case "pow":
            return args[0] ** args[1]
        case "root":
            return sympy.real_root(*args) if args[0].is_negative and args[1].is_odd else sympy.root(*args)
        case "call":
            return _FUNCTIONS[expr.text](*args)
        case "quantity":
            return args[0] * {"degree": sympy.pi / 180, "percent": sympy.Rational(1, 100)}[expr.text]
        case "factorial" | "binom" | "floor" | "ceil" | "abs":
            return _WHOLE[expr.op](*args)
        case "sum" | "prod":
            variable, start, stop, body = args
            return (sympy.Sum if expr.op == "sum" else sympy.Product)(body, (variable, start, stop)).doit()
    raise NotAValueError("not a value")


_WHOLE: dict[str, Callable[..., Any]] = {
    "factorial": sympy.factorial, "binom": sympy.binomial, "floor": sympy.floor, "ceil": sympy.ceiling,
    "abs": sympy.Abs,
}  # fmt: skip
