"""Which problems are neither too hard nor too easy: GRPO learns nothing from a group that is all wrong or all right.

What a model solved comes from elsewhere (`tasks.difficulty`); here is what follows from it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from permix.config import DifficultySettings
from permix.curation.rejects import Reject
from permix.problems.schema import Problem


class NothingInBandError(ValueError):
    """No training problem is left; the message says how often the base solved them, and which key to widen."""


def out_of_band(problem: Problem, solved: int, settings: DifficultySettings) -> Reject | None:
    """The rejection of a problem that the base solved too seldom or too often; its share is the pass rate."""
    rate = solved / settings.samples
    if settings.low < rate < settings.high:
        return None
    reason, limit = ("too hard", settings.low) if rate <= settings.low else ("too easy", settings.high)
    wanted = "more than" if reason == "too hard" else "less than"
    detail = f"the base model solves it in {solved} of {settings.samples} completions; wanted is {wanted} {limit:.0%}"
    return Reject(problem.id, problem.source, problem.split, reason, detail, problem.question, "", rate)


def pass_rates(solved: Sequence[int], samples: int) -> Mapping[str, int]:
    """How many problems were solved how often: `0 of 8` to `8 of 8`, all of them."""
    counts = Counter(solved)
    return {f"{number} of {samples}": counts[number] for number in range(samples + 1)}
