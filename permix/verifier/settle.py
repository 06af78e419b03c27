"""One gold, one answer, one ruling: everything that can be said without a worker process, and what a worker says too.

A worker process runs the very same function with a `prove` that asks SymPy.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from permix.verifier.compare import MAX_ITEMS, NeedsAlgebraError, Prove, same
from permix.verifier.expression import Expr, is_matrix, symbols
from permix.verifier.finished import finished, has_constant_call
from permix.verifier.form import Forms, UndecidedError
from permix.verifier.lexer import NotAValueError, plain_text, words
from permix.verifier.parser import parse
from permix.verifier.verdict import Ruling

MAX_CHARS = 2_000
"""Longest answer and gold; the longest gold of MATH has 120 characters."""

_NUMBER = re.compile(r"[+-]?[0-9]{1,100}")
_SCALARS = words("num sym add mul div pow root neg call factorial binom abs floor ceil sum prod")


class Gold(NamedTuple):
    """A parsed gold."""

    readings: tuple[Expr, ...]
    finished: bool
    """Whether it is a value, so that its answer must be one."""
    plain: bool
    """Whether it has neither variables nor functions, so that its answer must have no function of a constant."""
    textual: bool
    problem: str
    """Why nothing can be graded against it; empty if it can."""


@lru_cache(maxsize=16_384)
def read_gold(text: str) -> Gold:
    """Parse a gold, and see that it has a value."""
    problem = ""
    readings: tuple[Expr, ...] = ()
    if len(text) > MAX_CHARS:
        problem = "gold too long"
    elif not text.strip():
        problem = "empty gold"
    else:
        try:
            readings = parse(text)
            for reading in readings:
                _check(reading)
        except NotAValueError:
            problem = "gold is not a value" if readings else "unparseable gold"
        except UndecidedError:
            problem = "gold too large"
    plain = not any(symbols(reading) or has_constant_call(reading) for reading in readings)
    return Gold(readings, all(map(finished, readings)), plain, any(map(_has_text, readings)), problem)


def settle(gold_text: str, answer: str, prove: Prove) -> Ruling:
    """Rule on an answer. Raises NeedsAlgebraError if `prove` does: then a worker must."""
    # Most golds and answers are integers; these need no parser.
    if _NUMBER.fullmatch(gold_text) and _NUMBER.fullmatch(answer):
        return _ruling(int(answer) == int(gold_text))
    gold = read_gold(gold_text)
    if gold.problem:
        return Ruling("ungradable", gold.problem)
    answer = answer.strip()
    if answer == gold_text.strip():
        return Ruling("correct", "equal")
    if gold.textual and plain_text(answer) == plain_text(gold_text):
        return Ruling("correct", "equal")
    if not answer:
        return Ruling("incorrect", "no answer")
    if len(answer) > MAX_CHARS:
        return Ruling("incorrect", "too long")
    try:
        answers = parse(answer)
        if gold.finished and not any(_answers_a_value(answer, gold) for answer in answers):
            return Ruling("incorrect", "unfinished")
        return _ruling(any(same(one, other, prove) for one in gold.readings for other in answers))
    except (NotAValueError, UndecidedError) as error:
        return Ruling("incorrect", str(error))
    except RecursionError:
        # The parser bounds the depth of what it reads; this is for a caller that is itself at the end of its stack.
        return Ruling("incorrect", "too complex")


def ask_worker(*_: Expr) -> bool:
    """The `prove` of the process that must not compute symbolically."""
    raise NeedsAlgebraError


def _ruling(equal: bool) -> Ruling:
    return Ruling("correct", "equal") if equal else Ruling("incorrect", "different")


def _answers_a_value(answer: Expr, gold: Gold) -> bool:
    return finished(answer) and not (gold.plain and has_constant_call(answer))


def _has_text(expr: Expr) -> bool:
    return expr.op == "text" or any(map(_has_text, expr.args))


def _check(expr: Expr) -> None:
    """See that every scalar in a gold has a value, so that a fault in it is not laid at the answer's door."""
    if expr.op in {"list", "set"} and len(expr.args) > MAX_ITEMS:
        raise UndecidedError("too large")
    if expr.op in _SCALARS and not is_matrix(expr):
        try:
            Forms().of(expr)
        except UndecidedError:
            # A polynomial too large to expand can still be compared, number by number and by SymPy.
            if not symbols(expr):
                raise
    else:
        for arg in expr.args:
            _check(arg)
