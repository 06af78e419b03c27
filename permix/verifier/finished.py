r"""Is the work done? `7` is a value; `4+3`, `5^{10}` and `\sqrt{16}` are work left undone.

A gold that is a value asks for a value: otherwise the problem itself (`4+3`, `\sum_{k=1}^{100} k`) would score.
A gold that is itself unfinished (`5^{10}`) may be answered by its value or by an equal expression.

Finished is what no arithmetic would shorten: a number (integer, fraction that is no integer, mixed, decimal,
scientific); a product of one such with one root and constants; a sum whose terms have nothing in common; a quotient of
those. Fractions need not be in lowest terms, nor roots reduced, nor denominators rational: those
are ways to write a value. With variables, products and powers of sums count as finished (factored or expanded, both
are forms of one polynomial), but like terms must be collected.
"""

from __future__ import annotations

from fractions import Fraction

from permix.verifier.expression import Expr, is_matrix, symbols
from permix.verifier.form import Forms, UndecidedError
from permix.verifier.lexer import NotAValueError

_STRUCTURES = frozenset({"tuple", "set", "list", "ratio", "union", "minus", "matrix", "row", "named", "chain"})


def finished(expr: Expr) -> bool:
    """Whether an answer, or every part of it, is a value."""
    return _finished(expr, Forms())


def has_constant_call(expr: Expr) -> bool:
    r"""Whether it holds a sine or the like of a constant: `\cos 30^\circ` is work, if the gold has none."""
    if expr.op == "call" and not symbols(expr):
        return True
    return any(map(has_constant_call, expr.args))


def _finished(expr: Expr, forms: Forms) -> bool:
    """One budget of work for the whole answer: many dear parts are as dear as one."""
    if expr.op in {"text", "based", "equation"}:
        return True
    if expr.op in _STRUCTURES:
        return all(_finished(arg, forms) for arg in expr.args)
    if expr.op == "quantity":
        return _finished(expr.args[0], forms)
    if expr.op == "same":  # 4 + 3 = 7 ends in its value
        return _finished(expr.args[-1], forms)
    return _finished_scalar(expr, forms)


def literal(expr: Expr) -> bool:
    r"""Whether a scalar is written as a number: `-7`, `3/4`, `0.75`, `6.7 \times 10^{-5}`; not `6/3`."""
    expr = _positive(expr)
    if expr.op == "num":
        return True
    if expr.op == "div":
        top, bottom = (_positive(arg) for arg in expr.args)
        whole = top.op == bottom.op == "num" and not top.text and not bottom.text
        return bool(whole and top.value is not None and bottom.value and (top.value / bottom.value).denominator > 1)
    if expr.op == "mul" and len(expr.args) == 2 and expr.args[0].op == "num" and expr.args[1].op == "pow":
        base, exponent = expr.args[1].args
        significand = expr.args[0].value or Fraction(0)
        return base.op == "num" and base.value == 10 and _positive(exponent).op == "num" and 1 <= significand < 10
    return False


def _finished_scalar(expr: Expr, forms: Forms) -> bool:
    if literal(expr):
        return True
    if not symbols(expr) and not is_matrix(expr):
        try:
            if forms.of(expr).rational is not None:
                return False  # a rational number, and not written as one
        except (UndecidedError, NotAValueError):
            return False
    match expr.op:
        case "sum" | "prod":
            return False
        case "factorial" | "binom" | "floor" | "ceil" | "abs" if not symbols(expr):
            return False
        case "neg" if expr.args[0].op == "neg":
            return False
        case "add":
            return _all_finished(expr.args, forms) and _nothing_in_common(expr.args, forms)
        case "mul":
            return _all_finished(expr.args, forms) and _finished_product(expr.args)
        case "div":
            return _all_finished(expr.args, forms) and _finished_quotient(*expr.args)
        case "pow":
            return _all_finished(expr.args, forms) and _finished_power(*expr.args)
    return _finished(expr, forms) if expr.op in _STRUCTURES else _all_finished(expr.args, forms)


def _all_finished(parts: tuple[Expr, ...], forms: Forms) -> bool:
    return all(_finished_scalar(part, forms) for part in parts)


def _finished_product(factors: tuple[Expr, ...]) -> bool:
    constants = [_positive(factor) for factor in factors if not symbols(factor)]
    sums = [factor for factor in constants if factor.op in {"add", "div"} and not literal(factor)]
    roots = [factor for factor in constants if factor.op == "root"]
    return sum(map(literal, factors)) <= 1 and len(roots) <= 1 and len(sums) <= 1


def _finished_quotient(top: Expr, bottom: Expr) -> bool:
    if symbols(top) or symbols(bottom):
        return True
    top, bottom = _positive(top), _positive(bottom)
    complex_division = bottom.op == "add" and _holds_i(bottom)
    if complex_division or "div" in (top.op, bottom.op) or (_has_root(top) and _has_root(bottom)):
        return False
    divisor = _coefficient(bottom)
    terms = top.args if top.op == "add" else (top,)
    return divisor == 1 or any(_coefficient(term) % divisor for term in terms)


def _finished_power(base: Expr, exponent: Expr) -> bool:
    if symbols(base) or symbols(exponent):
        return True
    whole = _positive(exponent).value
    return (base.op in {"sym", "call"} and base.text != "i") or whole is None or whole.denominator > 1


def _nothing_in_common(terms: tuple[Expr, ...], forms: Forms) -> bool:
    """Whether no two terms of a sum could be added up. A product of sums is looked at as a whole, not expanded."""
    seen = set()
    for term in terms:
        if symbols(term) and _holds_sum(term):
            continue
        try:
            form = forms.of(term)
        except (UndecidedError, NotAValueError):
            return False
        # A quotient by a sum has nothing that could be added to anything else.
        for monomial in form.top if len(form.bottom) == 1 else ():
            key = (monomial, frozenset(form.bottom))
            if key in seen:
                return False
            seen.add(key)
    return True


def _holds_i(expr: Expr) -> bool:
    return expr == Expr("sym", text="i") or any(map(_holds_i, expr.args))


def _holds_sum(expr: Expr) -> bool:
    return expr.op == "add" or (expr.op in {"mul", "div", "neg", "pow"} and any(_holds_sum(arg) for arg in expr.args))


def _has_root(expr: Expr) -> bool:
    return expr.op == "root" or (expr.op in {"mul", "neg", "add"} and any(_has_root(arg) for arg in expr.args))


def _coefficient(term: Expr) -> int:
    r"""The integer in front of a term: 8 of `8\pi`, 1 of `\pi`."""
    term = _positive(term)
    for part in term.args if term.op == "mul" else (term,):
        if part.op == "num" and part.value is not None and part.value.denominator == 1:
            return int(part.value)
    return 1


def _positive(expr: Expr) -> Expr:
    return expr.args[0] if expr.op == "neg" else expr
