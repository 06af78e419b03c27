"""How far accuracies may be off: the errors of several means over the same problems, and what hangs together in them.

The bootstrap over problems shows how large errors are and which go together, but not near 0 and 1: a persona under
which all 60 problems are solved has no spread, and its true accuracy may well be 0.95. So ends of intervals are those
of Wilson's score interval (1927, JASA 22), for as many independent completions as the bootstrap's variance amounts to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from permix.statistics.intervals import Array, holding, normal_quantile, small_sample
from permix.statistics.value import Estimate


@dataclass(frozen=True)
class Means:
    """M means over the same problems, and their errors."""

    values: Array
    """As measured, shape (M,)."""
    errors: Array
    """Draws of their errors, shape (B, M), such that normal quantiles apply to their standard deviations."""
    completions: Array
    """How many independent completions would have such an error, shape (M,): less than there are where those of one
    problem are alike."""

    def average(self, columns: Sequence[int] | Array, confidence: float) -> Estimate:
        """The mean of some of them: the wider of the score interval and one that allows for skewed errors.

        The second is Hall's correction of Student's t for skewness (1992, JRSS B 54), its first order.
        """
        value = float(self.values[columns].mean())
        draws = self.errors[:, columns].mean(axis=1)
        reach = normal_quantile((1 + confidence) / 2)
        low, high = (float(end) for end in score_ends(value, self._completions(columns), reach))
        if len(columns) > 1 and draws.std() > 0:
            skewness = float(((draws - draws.mean()) ** 3).mean() / draws.std() ** 3)
            shift = skewness * (2 * reach**2 + 1) / 6
            low = min(low, max(0.0, value - (reach - shift) * float(draws.std())))
            high = max(high, min(1.0, value + (reach + shift) * float(draws.std())))
        return holding(value, low, high)

    def and_average(self, columns: Sequence[int] | Array) -> Means:
        """The same, and as the last one the average of some of them."""
        return Means(
            np.append(self.values, self.values[columns].mean()),
            np.column_stack([self.errors, self.errors[:, columns].mean(axis=1)]),
            np.append(self.completions, self._completions(columns)),
        )

    def _completions(self, columns: Sequence[int] | Array) -> float:
        """How many independent completions an average amounts to: no fewer than one of its means alone."""
        value = float(self.values[columns].mean())
        fewest = float(self.completions[columns].min())
        variance = float(self.errors[:, columns].mean(axis=1).var())
        if len(columns) == 1 or not fewest or not variance:
            return fewest
        return max(fewest, value * (1 - value) / variance)


def measure_means(rates: Array, counts: Array, weights: Array, confidence: float, rng: np.random.Generator) -> Means:
    """Means of each column of rates from 0 to 1, shape (N, M), NaN where a problem was not asked.

    `counts`, of the same shape, says of how many completions each rate is; `weights`, shape (B, N), are a bootstrap's
    over the problems. One problem tells nothing: its mean stands on no completion.
    """
    asked = np.isfinite(rates)
    values = weighted_means(rates, even_weights(rates))[0]
    problems = asked.sum(axis=0)
    few = np.array([small_sample(int(n), confidence) for n in problems])
    errors = weighted_means(rates, weights) - values
    # A resample may hold none of the problems that a column was asked.
    errors = np.where(np.isfinite(errors), errors, 0.0) * np.where(np.isfinite(few), few, 0.0)
    completions = _independent(values, counts.sum(axis=0), errors.var(axis=0), problems, few)
    # The variance that a sample without spread does not show (Agresti and Coull, 1998, American Statistician 52).
    square = normal_quantile((1 + confidence) / 2) ** 2
    shrunk = (completions * values + square / 2) / (completions + square)
    unseen = np.maximum(shrunk * (1 - shrunk) / (completions + square) - errors.var(axis=0), 0.0)
    return Means(values, errors + rng.normal(size=errors.shape) * np.sqrt(unseen), completions)


def score_ends(share: Array | float, completions: Array | float, reach: float) -> tuple[Array, Array]:
    """Wilson's score interval of shares of so many completions, `reach` standard deviations to each side."""
    square = reach**2
    middle = (completions * share + square / 2) / (completions + square)
    half = reach / (completions + square) * np.sqrt(completions * share * (1 - share) + square / 4)
    return np.maximum(middle - half, 0.0), np.minimum(middle + half, 1.0)


def even_weights(rates: Array) -> Array:
    """The weights that measure the sample itself, shape (1, N)."""
    return np.full((1, len(rates)), 1 / len(rates))


def weighted_means(rates: Array, weights: Array) -> Array:
    """Means, shape (B, M), of rates of shape (N, M), NaN where not asked, for weights over problems, (B, N).

    NaN where none of a column's problems has any weight.
    """
    asked = np.isfinite(rates)
    sums = weights @ np.where(asked, rates, 0.0)
    whole = weights @ asked
    means: Array = np.divide(sums, whole, out=np.full(sums.shape, np.nan), where=whole > 0)
    return means


def _independent(values: Array, counts: Array, seen: Array, problems: Array, few: Array) -> Array:
    """How many independent completions each column's error amounts to, shape (M,).

    Completions of one problem are alike; by how much is told by all columns together (the design effect): between 1,
    where they are independent, and as many as there are of a problem, where they are all the same. So it is, too, where
    no column has any spread to tell. Fewer, where a column's own spread says so.
    """
    known = np.isfinite(few)
    chance = values * (1 - values)
    expected = (chance / counts)[known].sum()
    effect = (seen[known] / few[known] ** 2).sum() / expected if expected > 0 else np.inf
    together = counts / np.clip(effect, 1.0, counts / problems) / few**2
    own = np.divide(chance, seen, out=np.full(chance.shape, np.inf), where=seen > 0)
    independent: Array = np.minimum(together, own)
    return independent
