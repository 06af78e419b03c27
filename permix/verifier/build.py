"""What the parser makes of the pieces that it has read: relations, names, signs, numbers in a base."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from permix.verifier.expression import INFINITY, REALS, Expr, number, symbols
from permix.verifier.lexer import NotAValueError, Token

MAX_VARIANTS = 8
"""Values that the ± signs of one item may stand for."""

MAX_DEPTH = 60
"""Nodes above one another, as in x!!!! or 1/2/3/4, which no bracket counts; every later step recurses over them."""

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_FLIPPED = {"<": ">", ">": "<", "≤": "≥", "≥": "≤"}


def joined(op: str, parts: Sequence[Expr]) -> Expr:
    """The sum or product of the parts; a single part is itself."""
    return parts[0] if len(parts) == 1 else Expr(op, tuple(parts))


def bounded(expr: Expr) -> Expr:
    """The expression, if it is not too deep. Raises NotAValueError if it is; does not itself recurse."""
    level: list[Expr] = [expr]
    for _ in range(MAX_DEPTH):
        level = [arg for node in level for arg in node.args]
        if not level:
            return expr
    raise NotAValueError("too complex")


def negated(expr: Expr) -> Expr:
    """Minus an expression; a unit stays outermost."""
    if expr.op == "quantity":
        return expr._replace(args=(negated(expr.args[0]),))
    return Expr("neg", (expr,))


def based(token: Token, *, negative: bool) -> Expr:
    """Digits in a base, without idle zeros. Raises NotAValueError if a digit is not one of the base's."""
    base = int(token.value or 0)
    whole, _, part = token.text.partition(".")
    if not 2 <= base <= 36 or any(digit not in _DIGITS[:base] for digit in whole + part):
        raise NotAValueError("not a value")
    whole, part = whole.lstrip("0") or "0", part.rstrip("0")
    digits = f"{whole}.{part}" if part else whole
    if base == 10:
        value = number(Fraction(digits))
        return negated(value) if negative else value
    return Expr("based", text=f"-{digits}" if negative else digits, value=Fraction(base))


def variants(expr: Expr) -> list[Expr]:
    """The expression with its ± signs resolved: all combinations, but ± and ∓ together turn as one."""
    count, opposite = _signs(expr)
    if not count:
        return [expr]
    together = opposite > 0
    if not together and 2**count > MAX_VARIANTS:
        raise NotAValueError("too complex")
    choices = [0, 2**count - 1] if together else range(2**count)
    return [_resolved(expr, [bool(choice >> bit & 1) for bit in range(count)]) for choice in choices]


def _signs(expr: Expr) -> tuple[int, int]:
    inner = [_signs(arg) for arg in expr.args]
    return (
        (expr.op == "pm") + sum(count for count, _ in inner),
        (expr.op == "pm" and expr.text == "-") + sum(opposite for _, opposite in inner),
    )


def _resolved(expr: Expr, minus: list[bool]) -> Expr:
    """The expression with the next ± of each kind taken from `minus`, which is used up from its end."""
    if not expr.args:
        return expr
    left_to_right = tuple(_resolved(arg, minus) for arg in expr.args)
    if expr.op != "pm":
        return expr._replace(args=left_to_right)
    left, right = left_to_right
    signed = negated(right) if minus.pop() != (expr.text == "-") else right
    return signed if left == number(0) else Expr("add", (left, signed))


def name_of(side: Expr, tokens: Sequence[Token]) -> str:
    """The name that a side of a relation is: `x`, `x_1`, `f(x)`, `f^{-1}(x)`, `AB`, `(x,y)`, `Area`; empty if none."""
    if side.op in {"sym", "text"} and side.text not in {"pi", "oo"}:
        return side.text
    if side.op == "tuple" and all(item.op == "sym" for item in side.args):
        return ",".join(item.text for item in side.args)
    kinds = [token.kind for token in tokens]
    if len(tokens) > 1 and all(token.kind == "sym" and token.text.isupper() for token in tokens):
        return "".join(token.text for token in tokens)
    called = kinds[:1] == ["sym"] and kinds[-1:] == [")"] and kinds.count("(") == kinds.count(")") == 1
    if called and set(kinds[1 : kinds.index("(")]) <= {"'", "^", "{", "-", "num", "}"}:
        return "".join(token.text or str(token.value) for token in tokens)
    return ""


def relate(sides: list[Expr], relations: list[str], names: list[str]) -> Expr:
    """An assignment, an equation, an interval or a chain of inequalities. Raises NotAValueError for other mixtures."""
    kinds = set(relations)
    if kinds == {"="}:
        return _equal(sides, names)
    if relations == ["in"] and names[0]:
        return Expr("named", (sides[1],), names[0])
    if relations == ["≠"] and names[0] and not symbols(sides[1]):
        return Expr("named", (Expr("minus", (REALS, Expr("set", (sides[1],)))),), names[0])
    if kinds <= {">", "≥"}:
        sides, names = sides[::-1], names[::-1]
        relations = [_FLIPPED[relation] for relation in relations[::-1]]
    if set(relations) <= {"<", "≤"}:
        return _inequality(sides, relations, names)
    raise NotAValueError("not a value")


def _equal(sides: list[Expr], names: list[str]) -> Expr:
    values = list(sides)
    name = ""
    while len(values) > 1 and names[len(sides) - len(values)]:
        name = names[len(sides) - len(values)]
        values.pop(0)
    if not name and len(sides) == 2 and names[1]:  # 7 = x
        return Expr("named", (sides[0],), names[1])
    if name and len(values) == 1:
        return Expr("named", (values[0],), name)
    if any(symbols(value) for value in values):
        if name or len(values) > 2:
            raise NotAValueError("not a value")
        return Expr("equation", tuple(values))
    # 4 + 3 = 7, or x = 4 + 3 = 7: whoever compares must check that it is so.
    same = Expr("same", tuple(values))
    return Expr("named", (same,), name) if name else same


def _inequality(sides: list[Expr], relations: list[str], names: list[str]) -> Expr:
    """`a < x ≤ b` and `f(x) < a` are intervals; any other chain stays what it is."""
    unknown = [index for index, side in enumerate(sides) if names[index] and symbols(side)]
    constants = all(not symbols(side) for index, side in enumerate(sides) if index not in unknown)
    if len(unknown) != 1 or not constants or (len(sides), unknown[0]) not in {(2, 0), (2, 1), (3, 1)}:
        return Expr("chain", tuple(sides), "".join(relations))
    at = unknown[0]
    low = sides[at - 1] if at else negated(INFINITY)
    high = sides[at + 1] if at + 1 < len(sides) else INFINITY
    left = "[" if at and relations[at - 1] == "≤" else "("
    right = "]" if at + 1 < len(sides) and relations[at] == "≤" else ")"
    return Expr("named", (Expr("tuple", (low, high), left + right),), names[at])
