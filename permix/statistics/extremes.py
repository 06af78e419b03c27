"""Intervals of the smallest of several figures: the worst persona's accuracy, the smallest ratio of two personas'.

The smallest of several noisy figures lies below the smallest true one, and resampling it repeats the bias: no bootstrap
of a minimum covers as it says where several tie (Andrews, 2000, Econometrica 68). So each end of the interval is made
of the single figures, which are unbiased:

- *low*: the smallest of the figures' own lower ends. The truly smallest figure lies under its own lower end in no more
  than alpha/2 of cases, so no allowance for their number is needed (the intersection-union argument; Berger, 1982,
  Technometrics 24). Where several tie it holds more often than it has to.
- *high*: the smallest of upper ends that hold for all figures at once, by the bootstrap's largest error; of those
  figures that could be the smallest, the others having been left out by a first test at a tenth of alpha/2. This is the
  intersection bound of Chernozhukov, Lee and Rosen (2013, Econometrica 81), with Bonferroni between its two steps.

How often they hold the truth in simulated models is in docs/evaluation.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from permix.statistics.intervals import Array, normal_quantile
from permix.statistics.means import Means, score_ends

FIRST_STEP = 0.1
"""Share of an end's error that goes to leaving figures out."""
AT_ONCE = 2_000_000
"""Numbers held at a time: pairs of 200 personas in 1,000 resamples would be 40 million."""


@dataclass(frozen=True)
class Figures:
    """Q figures whose errors are linear in those of two means: gain × the first's less loss × the second's."""

    values: Array
    """As measured, shape (Q,), like all that follow."""
    first: Array
    """Which mean, by number."""
    gain: Array
    second: Array
    loss: Array

    def errors(self, means: Means, some: Array) -> Array:
        """Draws of the errors of some of the figures, in standard deviations of each, shape (B, some)."""
        first, second = means.errors[:, self.first[some]], means.errors[:, self.second[some]]
        found = first * self.gain[some] - second * self.loss[some]
        standardised: Array = found / np.maximum(found.std(axis=0), 1e-12)
        return standardised

    def ends(self, means: Means, reach: float) -> tuple[Array, Array]:
        """Each figure's own ends, `reach` standard deviations to each side, shape (Q,) each.

        Made of the ends of its two means, which are not alike to both sides, and of their correlation (MOVER; Zou and
        Donner, 2008, Statistics in Medicine 27). Two means that agree on every problem may still differ: by what one
        more completion would show (Laplace's rule of succession).
        """
        low, high = score_ends(means.values, means.completions, reach)
        down, up = means.values - low, high - means.values
        deviations = means.errors.std(axis=0)
        covariance = np.atleast_2d(np.cov(means.errors, rowvar=False, ddof=0))[self.first, self.second]
        scale = deviations[self.first] * deviations[self.second]
        correlation = np.divide(covariance, scale, out=np.zeros_like(scale), where=scale > 0)
        fewer = np.minimum(means.completions[self.first], means.completions[self.second])
        least = reach * np.minimum(np.abs(self.gain), np.abs(self.loss)) / (fewer + 2)

        def distance(first: Array, second: Array) -> Array:
            one, other = self.gain * first, self.loss * second
            found: Array = np.sqrt(np.maximum(one**2 + other**2 - 2 * correlation * one * other, least**2))
            return found

        rising, falling = self.gain > 0, self.loss > 0
        upwards = distance(
            np.where(rising, up[self.first], down[self.first]), np.where(falling, down[self.second], up[self.second])
        )
        downwards = distance(
            np.where(rising, down[self.first], up[self.first]), np.where(falling, up[self.second], down[self.second])
        )
        return self.values - downwards, self.values + upwards


def interval_of_smallest(figures: Figures, means: Means, confidence: float) -> tuple[float, float]:
    """Both ends of the interval of the smallest of the figures."""
    tail = (1 - confidence) / 2
    usual = normal_quantile(1 - tail)
    candidates = np.flatnonzero(could_be_smallest(figures, means, tail * FIRST_STEP))
    largest = np.full(len(means.errors), -np.inf)
    step = max(1, AT_ONCE // len(largest))
    for start in range(0, len(candidates), step):
        largest = np.maximum(largest, -figures.errors(means, candidates[start : start + step]).min(axis=1))
    critical = max(usual, float(np.quantile(largest, 1 - tail * (1 - FIRST_STEP))))
    low, _ = figures.ends(means, usual)
    _, high = figures.ends(means, critical)
    return float(low.min()), float(high[candidates].min())


def could_be_smallest(figures: Figures, means: Means, error: float) -> Array:
    """Which figures could be the truly smallest, shape (Q,): it is among them, but for a share of `error` of cases.

    Bonferroni over the figures, whatever hangs together among them.
    """
    low, high = figures.ends(means, normal_quantile(1 - error / len(figures.values)))
    could: Array = low <= high.min()
    return could
