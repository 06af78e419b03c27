"""Completions and golds in, verdicts out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction

from permix.verifier.extract import gold_text, last_box
from permix.verifier.verdict import Verdict

_NUMBER = re.compile(r"-?\d{1,300}(\.\d{1,300})?")


def verify(completions: Sequence[str], golds: Sequence[str]) -> list[Verdict]:
    """Judge each completion against its gold; same length, same order. Raises ValueError if the lengths differ."""
    return [_judge(completion, gold) for completion, gold in zip(completions, golds, strict=True)]


def gold_reason(gold: str) -> str:
    """Why a gold cannot be graded against; empty if it can."""
    return "" if gold_text(gold).strip() else "unparseable gold"


def _judge(completion: str, gold: str) -> Verdict:
    answer = last_box(completion)
    if gold_reason(gold):
        return Verdict("ungradable", answer, "unparseable gold")
    if answer is None:
        return Verdict("incorrect", None, "no answer")
    left, right = _plain(answer), _plain(gold_text(gold))
    if left == right or (_NUMBER.fullmatch(left) and _NUMBER.fullmatch(right) and Fraction(left) == Fraction(right)):
        return Verdict("correct", answer.strip(), "equal")
    return Verdict("incorrect", answer.strip(), "different")


def _plain(text: str) -> str:
    return re.sub(r"\s+", "", text).replace("dfrac", "frac").replace("\\left", "").replace("\\right", "")
