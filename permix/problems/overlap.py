"""Which training problems share words with a problem that is held out?"""

from __future__ import annotations

from collections import Counter

from permix.curation.rejects import Reject
from permix.curation.text import words
from permix.problems.schema import Problem


class OverlapIndex:
    """The word runs of eval problems, to find training problems that share one.

    Nearly every training problem shares none, and only that is asked of it at first. A shared run of n words holds a
    shorter run of n − s + 1 words that starts at a multiple of s, wherever it lies. So of a training problem only every
    s-th short run is looked up (s = n // 2: half the words in each, few of them); where one is found, all runs are.
    """

    def __init__(self, length: int) -> None:
        self.length = length
        self._stride = max(1, length // 2)
        self._short = length - self._stride + 1
        self._probes: set[tuple[str, ...]] = set()
        self._holders: dict[tuple[str, ...], list[str]] = {}

    def add(self, problem: Problem) -> None:
        """Take up an eval problem."""
        found = words(problem.question)
        for run in set(_runs(found, self.length)):
            self._holders.setdefault(run, []).append(problem.id)
        # A text shorter than a whole run can share none.
        if len(found) >= self.length:
            self._probes.update(_runs(found, self._short))

    def clash(self, problem: Problem) -> Reject | None:
        """The rejection of a problem that shares a run with an eval problem; it names the one that shares most."""
        found = words(problem.question)
        if self._probes.isdisjoint(_runs(found, self._short, self._stride)):
            return None
        found_runs = _runs(found, self.length)
        holders = Counter(holder for run in found_runs for holder in self._holders.get(run, ()))
        if not holders:
            return None
        other, shared = max(holders.items(), key=lambda item: (item[1], item[0]))
        start, length = _longest([other in self._holders.get(run, ()) for run in found_runs])
        phrase = " ".join(found[start : start + length + self.length - 1])
        share = shared / len(found_runs)
        detail = f"{share:.0%} of its {self.length}-word runs stand in {other}; the longest: {phrase!r}"
        return Reject(problem.id, problem.source, problem.split, "contaminated", detail, problem.question, other, share)


def _runs(found: list[str], length: int, step: int = 1) -> list[tuple[str, ...]]:
    """Runs of consecutive words, from every `step`-th word on; none if there are fewer words."""
    return list(zip(*(found[start::step] for start in range(length)), strict=False))


def _longest(held: list[bool]) -> tuple[int, int]:
    """Start and length of the longest stretch of true values; the first of equals."""
    best = (0, 0)
    start = 0
    for i, value in enumerate(held):
        if not value:
            start = i + 1
        elif i + 1 - start > best[1]:
            best = (start, i + 1 - start)
    return best
