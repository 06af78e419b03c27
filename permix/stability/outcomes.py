"""Who solved what: the one table that every figure of stability is made of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from permix.statistics.intervals import Array


@dataclass(frozen=True)
class Outcomes:
    """What a model solved: the same problems under every persona and under the neutral prompt.

    An adaptive evaluation asks some personas less than others (`permix.stability.adaptive`); what was not asked is
    NaN. A persona's accuracy is the mean over the problems that it was asked, of the mean over a problem's samples.
    """

    problems: tuple[str, ...]
    """Ids, N of them."""
    personas: tuple[str, ...]
    """Ids, P of them; the neutral prompt is not among them."""
    correct: Array
    """0, 1 or NaN, shape (N, P, K): K samples of each problem under each persona."""
    neutral: Array
    """0, 1 or NaN, shape (N, K)."""

    def __post_init__(self) -> None:
        """Refuse what has no statistics."""
        n, p = len(self.problems), len(self.personas)
        if not n or not p:
            raise ValueError(f"stability needs problems and personas; there are {n} and {p}")
        if self.correct.shape[:2] != (n, p) or self.neutral.shape != (n, self.correct.shape[2]):
            raise ValueError(f"{self.correct.shape=} and {self.neutral.shape=} do not fit {n} problems, {p} personas")
        if np.isnan(self.rates()).all(axis=0).any():
            raise ValueError("every persona, and the neutral prompt, must have been asked something")

    def rates(self) -> Array:
        """Share solved of each problem's samples, shape (N, 1 + P): the neutral prompt, then the personas.

        NaN where a problem was not asked.
        """
        return shares(self._whole())[0]

    def counts(self) -> Array:
        """Samples of each problem, shape (N, 1 + P), as in `rates`."""
        return shares(self._whole())[1]

    def asked_of_all(self) -> Array:
        """Numbers of the problems that every persona, and the neutral prompt, was asked."""
        return np.flatnonzero(self.counts().all(axis=1))

    def of_problems(self, rows: Array) -> Outcomes:
        """The same of some of the problems, by number. Raises ValueError for none."""
        names = tuple(self.problems[row] for row in rows)
        return Outcomes(names, self.personas, self.correct[rows], self.neutral[rows])

    def _whole(self) -> Array:
        return np.concatenate([self.neutral[:, None], self.correct], axis=1).astype(float)


def shares(correct: Array) -> tuple[Array, Array]:
    """Share solved of each problem's samples, and how many samples: both (N, M), of (N, M, K) with NaN for not asked.

    The share is NaN where there is no sample.
    """
    counts = np.isfinite(correct).sum(axis=2)
    solved = np.nansum(correct, axis=2)
    return np.divide(solved, counts, out=np.full(counts.shape, np.nan), where=counts > 0), counts
