"""An evaluation that spends its samples where they narrow the interval of PSS.

    every persona is asked the first `batch` problems
    until the interval is narrow enough, or nothing is left to ask:
        a ratio of two personas' accuracies is in the way if its lower end lies further below PSS than it may at the
            target width; so is the ratio that is PSS itself
        of its two personas, the one on whose accuracy the more of its uncertainty hangs is asked `batch` problems more

A persona that can be neither the worst nor the best is in no such ratio and is asked no more (a race; the rule is kin
to LUCB, Kalyanakrishnan et al., 2012). All are asked the same problems in the same order, each up to a point of its
own: first each problem once, then each a second time, and so on. So two personas are always compared on problems that
both were asked, and no completion is asked that the even design (`samples` of each problem) would not ask. While a
problem is still new to one of the two, both are asked, so that its difficulty cancels.

The interval is `stability`'s, which is honest for any numbers of samples. That it is looked at many times and left at
a moment of its own choosing costs little coverage: docs/evaluation.md has the figures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from permix.stability.outcomes import shares
from permix.stability.panel import ratios
from permix.statistics.extremes import Figures, interval_of_smallest
from permix.statistics.intervals import Array, bootstrap_weights, normal_quantile
from permix.statistics.means import Means, measure_means, score_ends

Cell = tuple[int, int, int]
"""Which column (0: the neutral prompt, then the personas), which problem, which sample."""


MUCH_MORE = 4
"""Of a ratio's two personas both are asked, unless a completion more of one is worth so many times one of the other."""


@dataclass(frozen=True)
class Rule:
    """When to stop, and how far to go at a time."""

    target_width: float
    """Of the interval of PSS."""
    batch: int
    """Problems that a persona is asked at a time."""
    max_completions: int | None
    """In all; None: as many as there are cells."""
    confidence: float
    resamples: int
    seed: int


@dataclass(frozen=True)
class Race:
    """What was asked and came of it."""

    correct: Array
    """0, 1 or NaN (not asked, or not gradable), shape (columns, problems, samples)."""
    reached: Array
    """How many cells each column was asked, shape (columns,)."""
    history: tuple[tuple[int, float, float], ...]
    """After each round: completions so far, and both ends of the interval of PSS."""

    @property
    def low(self) -> float:
        """Lower end of the interval of PSS, in the end."""
        return self.history[-1][1]

    @property
    def high(self) -> float:
        """Upper end."""
        return self.history[-1][2]


def race(ask: Callable[[Sequence[Cell]], Array], columns: int, order: Sequence[int], samples: int, rule: Rule) -> Race:
    """Ask until the interval of PSS is narrow enough; `ask` says of each cell whether it was solved (1, 0 or NaN).

    `order` has the problems' numbers, from 0, in the order in which they are asked. The neutral prompt is asked each
    problem once, as soon as anyone is, and beyond that as far as the middle one of the personas. Raises ValueError
    where not even a first round is allowed.
    """
    problems = len(order)
    correct = np.full((columns, problems, samples), np.nan)
    reached = np.zeros(columns, dtype=int)
    most = min(rule.max_completions or columns * problems * samples, columns * problems * samples)
    chosen = np.arange(1, columns)
    history: list[tuple[int, float, float]] = []
    while True:
        goals = reached.copy()
        goals[chosen] = np.minimum(reached[chosen] + rule.batch, problems * samples)
        goals[0] = max(goals[0], int(np.median(goals[1:])), min(goals[1:].max(), problems))
        if goals.sum() > most:
            break
        cells = [
            (column, order[cell % problems], cell // problems)
            for column in range(columns)
            for cell in range(reached[column], goals[column])
        ]
        for cell, solved in zip(cells, ask(cells), strict=True):
            correct[cell] = solved
        reached = goals
        low, high, figures, means = _interval(correct, rule)
        history.append((int(reached.sum()), low, high))
        if high - low <= rule.target_width:
            break
        chosen = _in_the_way(figures, means, (low, high), reached, problems, samples, rule)
        if not len(chosen):
            break
        # Who was left behind catches up first: it is the least certain.
        chosen = chosen[reached[chosen] == reached[chosen].min()]
    if not history:
        raise ValueError(f"max_completions {most} does not allow for a first round of {rule.batch} × {columns}")
    return Race(correct, reached, tuple(history))


def _interval(correct: Array, rule: Rule) -> tuple[float, float, Figures | None, Means]:
    """PSS's interval, and what it was made of: columns are as in the race."""
    rates, counts = shares(correct.transpose(1, 0, 2))
    # A problem that no one was asked, or whose gold cannot be graded, is none.
    asked = counts.any(axis=1)
    rng = np.random.default_rng(rule.seed)
    weights = bootstrap_weights(int(asked.sum()), rule.resamples, rng)
    means = measure_means(rates[asked], counts[asked], weights, rule.confidence, rng)
    figures = ratios(means, np.arange(1, len(correct)))
    if figures is None:
        return 0.0, 1.0, None, means
    low, high = interval_of_smallest(figures, means, rule.confidence)
    pss = float(figures.values.min())
    return max(0.0, min(low, pss)), min(1.0, max(high, pss)), figures, means


def _in_the_way(
    figures: Figures | None,
    means: Means,
    interval: tuple[float, float],
    reached: Array,
    problems: int,
    samples: int,
    rule: Rule,
) -> Array:
    """Columns that are to be asked more, of those that can be."""
    left = reached < problems * samples
    if figures is None:
        unsolved: Array = np.flatnonzero(left[1:]) + 1
        return unsolved
    usual = normal_quantile((1 + rule.confidence) / 2)
    low, _ = figures.ends(means, usual)
    pss = figures.values.min()
    below = (pss - interval[0]) / (interval[1] - interval[0])
    blocking = (low < pss - rule.target_width * below) | (low == low.min()) | (figures.values == pss)
    down, up = score_ends(means.values, means.completions, usual)
    # What one completion more under either persona takes from the ratio's variance, which is about variance / number.
    first, second = figures.first, figures.second
    by_first = (figures.gain * (means.values - down)[first]) ** 2 / reached[first] * left[first]
    by_second = (figures.loss * (up - means.values)[second]) ** 2 / reached[second] * left[second]
    new = np.minimum(reached[first], reached[second]) < problems
    of_first = blocking & (new | (by_first >= by_second / MUCH_MORE))
    of_second = blocking & (new | (by_second >= by_first / MUCH_MORE))
    chosen = np.union1d(first[of_first], second[of_second])
    able: Array = chosen[left[chosen]]
    return able
