"""Completions and golds in, verdicts out."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from permix.verifier.compare import NeedsAlgebraError
from permix.verifier.extract import gold_text, last_box
from permix.verifier.settle import MAX_CHARS, ask_worker, read_gold, settle
from permix.verifier.verdict import Ruling, Verdict


def verify(completions: Sequence[str], golds: Sequence[str]) -> list[Verdict]:
    """Judge each completion against its gold; same length, same order. Raises ValueError if the lengths differ."""
    return [_judge(completion, gold) for completion, gold in zip(completions, golds, strict=True)]


def gold_reason(gold: str) -> str:
    """Why a gold cannot be graded against; empty if it can."""
    return read_gold(gold_text(gold)).problem


def _judge(completion: str, gold: str) -> Verdict:
    answer = last_box(completion)
    if answer is None:
        problem = gold_reason(gold)
        return Verdict("ungradable" if problem else "incorrect", None, problem or "no answer")
    answer = answer.strip()[: MAX_CHARS + 1]
    ruling = _ruling(gold_text(gold), answer)
    return Verdict(ruling.verdict, answer, ruling.reason)


@lru_cache(maxsize=65_536)
def _ruling(gold: str, answer: str) -> Ruling:
    try:
        return settle(gold, answer, ask_worker)
    except NeedsAlgebraError:
        return Ruling("incorrect", "needs algebra")
