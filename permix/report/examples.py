"""What a model said, chosen for a person to read: the worst persona's failures, the best replies and the worst."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from permix.evaluation.answers import Answer
from permix.personas.schema import NEUTRAL


@dataclass(frozen=True)
class Failure:
    """A problem that a persona got wrong, and what the model said to it without a persona."""

    wrong: Answer
    neutral: Answer | None
    """The sample of the same number; None where there is none."""


def failures(answers: Sequence[Answer], persona: str) -> list[Failure]:
    """The persona's wrong completions, one a problem: first those that were right without a persona, then by id."""
    neutral = {(a.item, a.sample): a for a in answers if a.task == "problem" and a.persona == NEUTRAL.id}
    wrong = [a for a in answers if a.task == "problem" and a.persona == persona and a.verdict == "incorrect"]
    found = [Failure(answer, neutral.get((answer.item, answer.sample))) for answer in wrong]

    def readable(failure: Failure) -> tuple[bool, bool, str, int]:
        told = failure.neutral is not None and failure.neutral.verdict == "correct"
        # A completion that was cut says more about the token limit than about the persona.
        return not told, not failure.wrong.finished, failure.wrong.item, failure.wrong.sample

    first: dict[str, Failure] = {}
    for failure in sorted(found, key=readable):
        first.setdefault(failure.wrong.item, failure)
    return list(first.values())


def replies(answers: Sequence[Answer], count: int) -> tuple[list[Answer], list[Answer]]:
    """The best scored role-play replies and the worst, each of so many different personas, best and worst first."""
    scored = [answer for answer in answers if answer.task == "roleplay" and answer.voice is not None]
    best = sorted(scored, key=lambda a: (-(a.voice or 0.0), a.persona, a.item))
    worst = sorted(scored, key=lambda a: (a.voice or 0.0, a.persona, a.item))
    return _of_each(best, count), _of_each(worst, count)


def _of_each(answers: Sequence[Answer], count: int) -> list[Answer]:
    first: dict[str, Answer] = {}
    for answer in answers:
        first.setdefault(answer.persona, answer)
    return list(first.values())[:count]
