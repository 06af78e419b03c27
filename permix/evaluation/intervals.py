"""Bootstrap intervals, many figures at once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from permix.evaluation.value import Estimate

Array = NDArray[Any]


def bootstrap_weights(units: int, resamples: int, rng: np.random.Generator) -> Array:
    """Weights of the units in each resample, shape (resamples, units), rows summing to 1.

    `weights @ table` gives the means of every column of a (units, columns) table in every resample: one matrix
    product for the whole panel, where scipy.stats.bootstrap would gather (resamples × units × columns) numbers. Two
    models measured on the same units are compared paired by using the same weights for both.
    """
    return rng.multinomial(units, np.full(units, 1 / units), size=resamples) / units


def estimate(value: float, resampled: Array, confidence: float, bounds: tuple[float, float] = (0.0, 1.0)) -> Estimate:
    """A figure with its basic bootstrap interval, [2v - q_high, 2v - q_low], cut to the figure's bounds.

    Source: Davison and Hinkley, Bootstrap Methods and their Application (1997), equation 5.6. Basic and not
    percentile, because a minimum over personas is biased downwards and resampling doubles the bias: over 400
    simulated models of 60 problems × 20 personas × 4 samples, 95 % intervals held the true PSS in 87 to 95 % of cases
    (percentile: 69 to 93 %). Where no persona has an effect the true PSS is 1 and the interval reaches it in 58 %
    only: compare with the noise floor. Such an interval can lie to one side of the value; it is then widened to hold
    it. A figure that is the same in every resample (everything solved) gets no width, though it has some.
    """
    tail = (1 - confidence) / 2
    low, high = np.quantile(resampled, [tail, 1 - tail])
    lower, upper = np.clip([2 * value - high, 2 * value - low], *bounds)
    return holding(value, lower, upper)


def holding(value: float, low: float, high: float) -> Estimate:
    """The figure with the interval, widened where it does not hold the figure."""
    return Estimate(value=float(value), low=float(min(low, value)), high=float(max(high, value)))


def mean_estimate(values: Array, resamples: int, confidence: float, rng: np.random.Generator) -> Estimate:
    """The mean of values in [0, 1], shape (units,), with its interval over units."""
    weights = bootstrap_weights(len(values), resamples, rng)
    return estimate(float(values.mean()), weights @ values, confidence)
