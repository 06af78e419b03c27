r"""Is the work done? `7` is a value; `4+3`, `5^{10}` and `\sqrt{16}` are work left undone.

A gold that is a value asks for a value: otherwise the problem itself (`4+3`, `\sum_{k=1}^{100} k`) would score.
A gold that is itself unfinished (`5^{10}`) may be answered by its value or by an equal expression.

Finished is what no arithmetic would shorten: a number (integer, fraction that is no integer, mixed, decimal,
scientific); a product of one such with one root and constants; a sum whose terms have nothing in common; a quotient of
those by a single term. Fractions need not be in lowest terms, nor roots reduced, nor denominators rational: those
are ways to write a value. With variables, products and powers of sums count as finished (factored or expanded, both
are forms of one polynomial), but like terms must be collected.
"""

from __future__ import annotations

from fractions import Fraction

from permix.verifier.expression import Expr, is_matrix, symbols
from permix.verifier.form import Forms, UndecidedError
from permix.verifier.lexer import NotAValueError

_STRUCTURES = frozenset({"tuple", "set", "list", "ratio", "union", "minus", "matrix", "row", "named", "chain"})
_WORK = frozenset({"factorial", "binom", "floor", "ceil", "sum", "prod", "abs"})


def finished(expr: Expr) -> bool:
    """Whether an answer, or every part of it, is a value."""
    if expr.op in {"text", "based", "equation"}:
        return True
    if expr.op in _STRUCTURES:
        return all(finished(arg) for arg in expr.args)
    if expr.op == "quantity":
        return finished(expr.args[0])
    if expr.op == "same":  # 4 + 3 = 7 ends in its value
        return finished(expr.args[-1])
    return _finished_scalar(expr)


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


def _finished_scalar(expr: Expr) -> bool:
    if literal(expr):
        return True
    if not symbols(expr) and not is_matrix(expr):
        forms = Forms()
        try:
            if forms.of(expr).rational is not None:
                return False  # a rational number, and not written as one
        except (UndecidedError, NotAValueError):
            return False
    if expr.op in _WORK:
        return (
            bool(symbols(expr)) and expr.op not in {"sum", "prod"} and all(_finished_scalar(arg) for arg in expr.args)
        )
    match expr.op:
        case "neg":
            return expr.args[0].op != "neg" and _finished_scalar(expr.args[0])
        case "add":
            return all(_finished_scalar(arg) for arg in expr.args) and _nothing_in_common(expr.args)
        case "mul":
            return _finished_product(expr.args)
        case "div":
            return _finished_quotient(*expr.args)
        case "pow":
            return _finished_power(*expr.args)
    if expr.op in _STRUCTURES:
        return finished(expr)
    return all(_finished_scalar(arg) for arg in expr.args)


def _finished_product(factors: tuple[Expr, ...]) -> bool:
    constants = [factor for factor in factors if not symbols(factor)]
    sums = [factor for factor in constants if _positive(factor).op in {"add", "div"} and not literal(factor)]
    return (
        all(_finished_scalar(factor) for factor in factors)
        and sum(literal(factor) for factor in factors) <= 1
        and sum(_positive(factor).op == "root" for factor in constants) <= 1
        and len(sums) <= 1
    )


def _finished_quotient(top: Expr, bottom: Expr) -> bool:
    if not (_finished_scalar(top) and _finished_scalar(bottom)):
        return False
    if symbols(top) or symbols(bottom):
        return True
    if _positive(bottom).op in {"add", "div"} or _positive(top).op == "div":
        return False
    divisor = _coefficient(bottom)
    divides = divisor > 1 and all(
        _coefficient(term) % divisor == 0 for term in (top.args if top.op == "add" else (top,))
    )
    return not divides and not (_has_root(top) and _has_root(bottom))


def _finished_power(base: Expr, exponent: Expr) -> bool:
    if not _finished_scalar(base) or not _finished_scalar(exponent):
        return False
    if symbols(base) or symbols(exponent):
        return True
    return base.op in {"sym", "call"} or not (literal(exponent) and exponent.value and exponent.value.denominator == 1)


def _nothing_in_common(terms: tuple[Expr, ...]) -> bool:
    """Whether no two terms of a sum could be added up. A product of sums is looked at as a whole, not expanded."""
    forms, seen = Forms(), set()
    for term in terms:
        if symbols(term) and _holds_sum(term):
            continue
        try:
            form = forms.of(term)
        except (UndecidedError, NotAValueError):
            return False
        if len(form.bottom) > 1:
            continue
        for monomial in form.top:
            key = (monomial, frozenset(form.bottom))
            if key in seen:
                return False
            seen.add(key)
    return True


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
