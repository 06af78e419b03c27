"""What a parsed answer is: a tree of plain values, never code.

One node type serves scalars (`add`, `pow`, `root`, ...) and what is built of them (`tuple`, `set`, `matrix`, ...), so
that every later step is a function over one small vocabulary:

| op | args | text, value |
|---|---|---|
| `num` | | value: exact; text: the digits after the point if it was written as a decimal |
| `sym` | | text: the name; `pi`, `e`, `i` and `oo` are the constants |
| `add`, `mul` | two or more | |
| `div`, `pow`, `binom` | two | |
| `neg`, `factorial`, `abs`, `floor`, `ceil` | one | |
| `root` | radicand, index | |
| `call` | the argument, and the base of a logarithm | text: the function |
| `sum`, `prod` | variable, from, to, body | |
| `pm` | two: a ± b | text: `+` for ±, `-` for ∓ |
| `quantity` | the number | text: the unit, as units.py writes it |
| `based` | | text: sign and digits; value: the base |
| `text` | | text: in lower case |
| `tuple` | items | text: the two brackets, as in `(]` |
| `set`, `list`, `ratio` | items | |
| `union`, `minus` | sets | |
| `matrix`, `row` | rows; entries | |
| `named` | the value | text: what stands left of `=` |
| `same` | values said to be equal, as in `4 + 3 = 7` | |
| `equation` | left, right | |
| `chain` | members of an inequality | text: the relations between them, of `<` and `≤` |
"""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple


class Expr(NamedTuple):
    """A node; hashable, and equal if written alike."""

    op: str
    args: tuple[Expr, ...] = ()
    text: str = ""
    value: Fraction | None = None


CONSTANTS = frozenset({"pi", "e", "i", "oo"})
"""Symbols that stand for a number."""

INFINITY = Expr("sym", text="oo")
REALS = Expr("tuple", (Expr("neg", (INFINITY,)), INFINITY), "()")


def number(value: Fraction | int) -> Expr:
    """An exact number that was not written as a decimal."""
    return Expr("num", value=Fraction(value))


def symbols(expr: Expr) -> frozenset[str]:
    """Names of the variables in an expression; constants are not variables."""
    if expr.op == "sym":
        return frozenset() if expr.text in CONSTANTS else frozenset({expr.text})
    return frozenset[str]().union(*(symbols(arg) for arg in expr.args))


def is_matrix(expr: Expr) -> bool:
    """Whether this is a matrix, or a scalar times one."""
    if expr.op == "div":
        return is_matrix(expr.args[0])
    return expr.op == "matrix" or (expr.op in {"mul", "neg"} and sum(map(is_matrix, expr.args)) == 1)
