"""Do two parsed answers say the same? The rule is in docs/verifier.md; each kind of answer has a function here."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from permix.verifier.expression import Expr, is_matrix, number, symbols
from permix.verifier.form import Forms, UndecidedError
from permix.verifier.lexer import NotAValueError
from permix.verifier.numeric import comparison
from permix.verifier.regions import Region, region
from permix.verifier.units import compatible

MAX_ITEMS = 60
"""Items of a list or set; every one is compared with every other."""

Prove = Callable[[Expr, Expr], bool]
"""Says whether two scalars that agree in floating point are equal; raises NeedsAlgebraError where it must not try."""


class NeedsAlgebraError(Exception):
    """Only symbolic algebra can tell, and that runs in a worker process."""


def same(gold: Expr, answer: Expr, prove: Prove) -> bool:
    """Whether an answer equals a gold.

    Raises NotAValueError or UndecidedError where one of them has no value, and whatever `prove` raises.
    """
    gold, answer = _settled(gold, prove), _settled(answer, prove)
    if "named" in (gold.op, answer.op):
        return _same_named(gold, answer, prove)
    if "quantity" in (gold.op, answer.op):
        return _same_quantity(gold, answer, prove)
    if "text" in (gold.op, answer.op):
        return _same_text(gold, answer)
    if "ratio" in (gold.op, answer.op):
        return _same_ratio(gold, answer, prove)
    regions = {"union", "minus"}
    if gold.op in regions or answer.op in regions:
        return _same_region(gold, answer, prove)
    collections = {"list", "set"}
    if gold.op in collections or answer.op in collections:
        return _same_collection(gold, answer, prove)
    if gold.op == answer.op == "equation":
        return _same_equation(gold, answer)
    if is_matrix(gold) or is_matrix(answer):
        return _same_matrix(gold, answer, prove)
    structures = {"tuple", "chain", "based", "equation"}
    if gold.op in structures or answer.op in structures:
        alike = gold.op == answer.op and gold.text == answer.text and gold.value == answer.value
        return alike and gold.op != "equation" and _all_same(gold.args, answer.args, prove)
    return same_scalar(gold, answer, prove)


def same_scalar(gold: Expr, answer: Expr, prove: Prove) -> bool:
    """Whether two scalars are equal: refuted in floating point, or settled by normal form, or proved."""
    # Two polynomials differ at nearly every point; looking at one is quicker than expanding them.
    if (symbols(gold) or symbols(answer)) and comparison(gold, answer) == "differ":
        return False
    try:
        forms = Forms()
        left, right = forms.of(gold), forms.of(answer)
        known = forms.equal(left, right)
        if not known and _rounds_to(gold, right.rational):
            return True
        if known is None and left.rational is not None:
            return False  # a sine or logarithm that comes to a rational number is work left undone
    except UndecidedError:
        known = None
    if known is not None:
        return known
    match comparison(gold, answer):
        case "differ":
            return False
        case "unknown" if not _has_series(gold):
            raise UndecidedError("undecided")
    return prove(gold, answer)


def _has_series(expr: Expr) -> bool:
    """Whether a gold holds a sum or product that has no floating-point value, as one without end; SymPy may know it."""
    return expr.op in {"sum", "prod"} or any(map(_has_series, expr.args))


def _all_same(golds: tuple[Expr, ...], answers: tuple[Expr, ...], prove: Prove) -> bool:
    return len(golds) == len(answers) and all(same(g, a, prove) for g, a in zip(golds, answers, strict=True))


def _settled(expr: Expr, prove: Prove) -> Expr:
    """The last of values said to be equal, if they are: `4 + 3 = 7` is 7, and `4 + 3 = 8` is nothing."""
    if expr.op != "same":
        return expr
    if not all(same(expr.args[-1], arg, prove) for arg in expr.args[:-1]):
        raise NotAValueError("not a value")
    return expr.args[-1]


def _same_named(gold: Expr, answer: Expr, prove: Prove) -> bool:
    r"""`x = 3` is 3, and is not `y = 3`; `y = 2x + 3` is also `2x - y + 3 = 0`, and `x = (y - 3)/2`."""
    other_name = gold.op == answer.op and gold.text != answer.text and _plain(gold.text) and _plain(answer.text)
    if other_name or "equation" in (gold.op, answer.op):
        gold, answer = _as_equation(gold), _as_equation(answer)
        return gold.op == answer.op == "equation" and _same_equation(gold, answer)
    values = [side.args[0] if side.op == "named" else side for side in (gold, answer)]
    return same(values[0], values[1], prove)


def _plain(name: str) -> bool:
    """Whether a name is a variable's, or several variables', and not f(x) or `Area`."""
    return len(name) == 1 or "_" in name or "," in name


def _as_equation(side: Expr) -> Expr:
    """`y = 2x` as an equation; anything else as it is."""
    if side.op != "named" or len(side.text) != 1:
        return side
    return Expr("equation", (Expr("sym", text=side.text), side.args[0]))


def _same_equation(gold: Expr, answer: Expr) -> bool:
    """Whether two equations in the same two or more variables are multiples of each other."""
    if symbols(gold) != symbols(answer) or len(symbols(gold)) < 2:
        return False
    forms = Forms()
    sides = [forms.of(Expr("add", (side.args[0], Expr("neg", (side.args[1],))))) for side in (gold, answer)]
    return forms.proportional(sides[0], sides[1])


def _same_quantity(gold: Expr, answer: Expr, prove: Prove) -> bool:
    """Units may be left out or added, not changed; a percentage is also its hundredth."""
    units = [side.text if side.op == "quantity" else "" for side in (gold, answer)]
    values = [side.args[0] if side.op == "quantity" else side for side in (gold, answer)]
    if not compatible(units[0], units[1]):
        return False
    if same(values[0], values[1], prove):
        return True
    if units.count("percent") == 1:
        hundredth = [
            Expr("div", (value, number(100))) if name == "percent" else value
            for value, name in zip(values, units, strict=True)
        ]
        return same(hundredth[0], hundredth[1], prove)
    return False


def _same_text(gold: Expr, answer: Expr) -> bool:
    words = [side.text.casefold() if side.op in {"text", "sym"} else "" for side in (gold, answer)]
    return words[0] == words[1] != ""


def _same_ratio(gold: Expr, answer: Expr, prove: Prove) -> bool:
    """1:2 is 2:4, and ½."""
    if gold.op == answer.op:
        if len(gold.args) != len(answer.args):
            return False
        pairs = list(zip(gold.args, answer.args, strict=True))
        first, second = pairs[0]
        return all(same(Expr("mul", (first, a)), Expr("mul", (second, g)), prove) for g, a in pairs[1:])
    if gold.op != "ratio" or len(gold.args) != 2:
        return False
    return same(Expr("div", gold.args), answer, prove)


def _same_collection(gold: Expr, answer: Expr, prove: Prove) -> bool:
    """Order does not matter, the number of items does; a set with one element is that element."""
    remaining = _items(answer, prove)
    golds = _items(gold, prove)
    if len(golds) != len(remaining):
        return False
    for item in golds:
        match = next((index for index, other in enumerate(remaining) if same(item, other, prove)), None)
        if match is None:
            return False
        del remaining[match]
    return True


def _items(expr: Expr, prove: Prove) -> list[Expr]:
    if len(expr.args) > MAX_ITEMS:
        raise UndecidedError("too large")
    if expr.op == "list":
        return list(expr.args)
    if expr.op != "set":
        return [expr]
    distinct: list[Expr] = []
    for item in expr.args:
        if not any(same(item, other, prove) for other in distinct):
            distinct.append(item)
    return distinct


def _same_region(gold: Expr, answer: Expr, prove: Prove) -> bool:
    """Unions of intervals and points, whatever the order and the seams."""
    regions: list[Region | None] = [region(side) for side in (gold, answer)]
    if regions[0] is None or regions[1] is None or len(regions[0]) != len(regions[1]):
        return False
    return all(
        one.closed == other.closed and same(one.low, other.low, prove) and same(one.high, other.high, prove)
        for one, other in zip(regions[0], regions[1], strict=True)
    )


def _same_matrix(gold: Expr, answer: Expr, prove: Prove) -> bool:
    rows = [_entries(side) for side in (gold, answer)]
    if rows[0] is None or rows[1] is None or len(rows[0]) != len(rows[1]):
        return False
    return all(_all_same(tuple(g), tuple(a), prove) for g, a in zip(rows[0], rows[1], strict=True))


def _entries(expr: Expr) -> list[list[Expr]] | None:
    """Rows of a matrix, with the factor in front of it multiplied in; None if it is none."""
    if expr.op == "matrix":
        return [list(row.args) for row in expr.args]
    if not is_matrix(expr):
        return None
    at = next(index for index, arg in enumerate(expr.args) if is_matrix(arg))
    rows = _entries(expr.args[at]) or []
    return [[expr._replace(args=(*expr.args[:at], entry, *expr.args[at + 1 :])) for entry in row] for row in rows]


def _rounds_to(gold: Expr, value: Fraction | None) -> bool:
    """Whether a number rounds to a decimal gold of three significant digits or more, as 3.1416 does to 3.14.

    Fewer digits say too little (4.47 is not 4.5); and π or a root is not the decimal that was asked for: of the golds
    of MATH, (1+√2)/2 would pass for 1.21, and 1+√5 for 3.24.
    """
    digits, sign = (gold.args[0], -1) if gold.op == "neg" else (gold, 1)
    if value is None or digits.op != "num" or not digits.text or digits.value is None:
        return False
    unit = Fraction(1, 10 ** len(digits.text))
    return digits.value / unit >= 100 and abs(value - sign * digits.value) <= unit / 2
