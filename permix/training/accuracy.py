"""How well is each persona doing? Counted and averaged as the training goes, as part of the trainer's state."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from statistics import fmean  # exact, so that the order does not matter: a checkpoint sorts the tallies
from typing import TypedDict

MEMORY = 32
"""Completions over which a persona's running accuracy is averaged: the weight of an old one falls by 1/e in so many."""


class Tally(TypedDict):
    """One persona's record: plain JSON, as the trainer's state is."""

    graded: int
    """Completions with a verdict; those whose gold is at fault do not count."""
    correct: int
    running: float
    """Exponential average of the verdicts, the latest counting most."""


def observe(tallies: Mapping[str, Tally], completions: Iterable[tuple[str, float | None]]) -> dict[str, Tally]:
    """The tallies after a step's completions: each one's persona (by id) and reward, None where it was not graded.

    The order of the completions does not matter. A persona that is seen for the first time starts from the mean of the
    others (in the first step, from the step's mean), so that one completion does not make it a failure or a success.
    """
    seen: dict[str, list[float]] = defaultdict(list)
    for persona, reward in completions:
        if reward is not None:
            seen[persona].append(reward)
    known = [tally["running"] for tally in tallies.values()] or [reward for each in seen.values() for reward in each]
    after = dict(tallies)
    for persona, graded in seen.items():
        before = tallies.get(persona) or Tally(graded=0, correct=0, running=fmean(known))
        kept = (1 - 1 / MEMORY) ** len(graded)
        after[persona] = Tally(
            graded=before["graded"] + len(graded),
            correct=before["correct"] + round(sum(graded)),
            running=kept * before["running"] + (1 - kept) * fmean(graded),
        )
    return after
