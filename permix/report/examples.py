"""What a model said, chosen for a person to read: the worst persona's failures, the best replies and the worst."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from permix.evaluation.answers import Answer
from permix.fidelity.judging.judge import Judgement
from permix.fidelity.judging.questions import Question
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


@dataclass(frozen=True)
class Reply:
    """One reply in character, and what it was given for it."""

    persona: str
    question: str
    text: str
    score: float
    said: tuple[tuple[str, str], ...] = ()
    """Of each judge that is a model: its name with its score, and its reasons."""


def replies(answers: Sequence[Answer], judgements: Sequence[Judgement], count: int) -> tuple[list[Reply], list[Reply]]:
    """The best replies in character and the worst, each of so many different personas, best and worst first.

    Those that judges scored, where there are any; else those whose voice was heard. A reply that not every judge gave a
    score is left out.
    """
    scored = _judged(judgements) if judgements else _heard(answers)
    best = sorted(scored, key=lambda reply: (-reply.score, reply.persona, reply.question))
    worst = sorted(scored, key=lambda reply: (reply.score, reply.persona, reply.question))
    return _of_each(best, count), _of_each(worst, count)


def _heard(answers: Sequence[Answer]) -> list[Reply]:
    return [
        Reply(answer.persona, answer.question, answer.completion, answer.voice)
        for answer in answers
        if answer.task == "roleplay" and answer.voice is not None
    ]


def _judged(judgements: Sequence[Judgement]) -> list[Reply]:
    by_reply: dict[tuple[Question, str], list[Judgement]] = {}
    for judgement in judgements:
        by_reply.setdefault((judgement.question, judgement.reply), []).append(judgement)
    found = []
    for (question, text), given in by_reply.items():
        scores = [judgement.score for judgement in given if judgement.score is not None]
        if len(scores) == len(given):
            said = tuple((f"{judgement.judge}: {judgement.score}", judgement.reason) for judgement in given)
            mean = sum(scores) / len(scores)
            found.append(Reply(question.persona, f"{question.text} ({question.task})", text, mean, said))
    return found


def _of_each(replies: Sequence[Reply], count: int) -> list[Reply]:
    first: dict[str, Reply] = {}
    for reply in replies:
        first.setdefault(reply.persona, reply)
    return list(first.values())[:count]
