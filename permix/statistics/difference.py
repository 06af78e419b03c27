"""By how much a figure of two models differs, and how sure that is.

The interval of a difference is made of the two figures' own intervals and of how far their errors go together (MOVER;
Zou and Donner, 2008, Statistics in Medicine 27): so it holds where the two are biased by different amounts, as the PSS
of a model that every persona treats alike is beside that of one that a single persona breaks. The probability is not
that careful: it takes the measured difference at its word. It is calibrated where the two models are alike
(docs/evaluation.md).
"""

from __future__ import annotations

import numpy as np

from permix.statistics.intervals import Array, bootstrap_weights, mean_estimate, small_sample
from permix.statistics.value import Estimate, Value


class Difference(Value):
    """One figure of a candidate against that of a reference that was asked the same."""

    candidate: float
    reference: float
    difference: float
    """candidate - reference."""
    relative: float | None
    """difference / reference; None where the reference is 0."""
    low: float
    """Lower end of the difference's interval, at the confidence asked for."""
    high: float
    """Upper end."""
    probability: float
    """That the candidate's figure is the higher one: share of resamples, centred on the measured difference, in which
    it is, and half of those that tie. 0.5 says nothing either way."""


def difference_of(first: tuple[Estimate, Array], second: tuple[Estimate, Array], few: float) -> Difference:
    """From both figures with their intervals, and their values in the same resamples."""
    (candidate, mine), (reference, theirs) = first, second
    apart = mine - theirs
    # An adaptive evaluation may have asked none of a resample's problems.
    known = np.isfinite(apart)
    mine, theirs, apart = mine[known], theirs[known], apart[known]
    spread = mine.std() * theirs.std()
    together = float(((mine - mine.mean()) * (theirs - theirs.mean())).mean() / spread) if spread > 0 else 0.0

    def reach(one: float, its_other: float, two: float, and_its: float) -> float:
        # What an end is further away than the figure's other end is bias, and only noise goes together in two models.
        noise, noise_too = min(one, its_other), min(two, and_its)
        paired = float(np.sqrt(max(0.0, noise**2 + noise_too**2 - 2 * together * noise * noise_too)))
        return paired + (one - noise) + (two - noise_too)

    up, down = candidate.high - candidate.value, candidate.value - candidate.low
    its_up, its_down = reference.high - reference.value, reference.value - reference.low
    difference = candidate.value - reference.value
    centred = difference + few * (apart - apart.mean())
    return Difference(
        candidate=candidate.value,
        reference=reference.value,
        difference=difference,
        relative=difference / reference.value if reference.value else None,
        low=difference - reach(down, up, its_up, its_down),
        high=difference + reach(up, down, its_down, its_up),
        probability=_probability(centred),
    )


def over_personas(
    mine: Array, theirs: Array, resamples: int, confidence: float, rng: np.random.Generator
) -> Difference:
    """Of each persona's mean, in both models."""
    apart = mine - theirs
    interval = mean_estimate(apart, resamples, confidence, rng, bounds=(-1.0, 1.0))
    few = min(small_sample(len(apart), confidence), 1e6)
    resampled = bootstrap_weights(len(apart), resamples, rng) @ apart
    reference = float(theirs.mean())
    return Difference(
        candidate=float(mine.mean()),
        reference=reference,
        difference=interval.value,
        relative=interval.value / reference if reference else None,
        low=interval.low,
        high=interval.high,
        probability=_probability(interval.value + few * (resampled - resampled.mean())),
    )


def _probability(centred: Array) -> float:
    """Share above 0, and half of what ties but for rounding."""
    ties = np.abs(centred) < 1e-12
    return float((centred[~ties] > 0).sum() + ties.sum() / 2) / len(centred)
