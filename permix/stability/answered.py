"""Answered or right? A persona can spoil the sum, or merely the form in which its answer is given.

A completion is *answered* where an answer was found in one of the places that are read, right or wrong. Accuracy among
the answered is what is left of a persona's effect when its form is taken out.
"""

from __future__ import annotations

import numpy as np

from permix.stability.outcomes import Outcomes
from permix.stability.panel import noise_floor, panel_estimates, resampled
from permix.statistics.intervals import Array
from permix.statistics.value import Estimate, Value

MUCH_ANSWERED = 0.9
"""A lower share of answered completions is worth a warning: accuracy then says much about form."""


class Among(Value):
    """PSS and accuracies of the answered completions alone, as `Stability` defines them.

    A persona's accuracy is over the problems that it answered, which may be others than another persona's.
    """

    pss: Estimate
    noise_floor: Estimate
    neutral: Estimate
    mean: Estimate
    worst: Estimate
    best: Estimate


class Answered(Value):
    """Share of completions in which an answer was found, and stability among those. Intervals are over problems."""

    mean: Estimate
    """Mean share over personas."""
    neutral: Estimate
    """Share without a persona."""
    worst: Estimate
    """Share under the persona with the lowest."""
    worst_persona: str
    """Its id; the first by id of several."""
    cut: float
    """Share of the personas' completions that were cut at the token limit before an answer was found."""
    ended: float
    """Share of the personas' completions that the model ended itself without an answer."""
    among: Among | None
    """Of the answered completions alone: without the effect of form. None: under some persona, or without one, nothing
    was answered."""


def measure_answered(
    solved: Outcomes, answered: Array, cut: float, resamples: int, confidence: float, seed: int
) -> Answered:
    """How often an answer was found, and the panel among those.

    Args:
        solved: What was solved.
        answered: Whether an answer was found, shape (N, 1 + P, K): the neutral prompt, then the personas; NaN where
            nothing was asked.
        cut: Share of the personas' completions that were cut and hold no answer.
        resamples: Bootstrap resamples, and permutations for the noise floor.
        confidence: Coverage that intervals aim at.
        seed: Of the resamples.
    """
    found = Outcomes(solved.problems, solved.personas, answered[:, 1:], answered[:, 0])
    rng = np.random.default_rng(seed)
    rates, weights, means = resampled(found, resamples, confidence, rng)
    panel = panel_estimates(rates, weights, means, confidence)
    none = 1 - float(np.nanmean(answered[:, 1:]))
    return Answered(
        mean=panel["mean"],
        neutral=panel["neutral"],
        worst=panel["worst"],
        worst_persona=solved.personas[int(means.values[1:].argmin())],
        cut=cut,
        ended=max(0.0, none - cut),
        among=_among(solved, answered, resamples, confidence, seed),
    )


def _among(solved: Outcomes, answered: Array, resamples: int, confidence: float, seed: int) -> Among | None:
    if not (answered == 1).any(axis=(0, 2)).all():
        return None
    unanswered = answered != 1
    correct = np.where(unanswered[:, 1:], np.nan, solved.correct.astype(float))
    neutral = np.where(unanswered[:, 0], np.nan, solved.neutral.astype(float))
    left = Outcomes(solved.problems, solved.personas, correct, neutral)
    rng = np.random.default_rng(seed)
    panel = panel_estimates(*resampled(left, resamples, confidence, rng), confidence)
    figures = {name: panel[name] for name in ("pss", "neutral", "mean", "worst", "best")}
    return Among(noise_floor=noise_floor(correct, resamples, confidence, rng), **figures)


def form_warning(answered: Answered | None) -> str | None:
    """What a low share of answered completions means for the other figures; None where nearly all were answered."""
    if answered is None or answered.mean.value >= MUCH_ANSWERED:
        return None
    remedy = "answers.instruction, answers.read and evaluation.max_completion_tokens decide how it is asked and read"
    if answered.mean.value == 0:
        return (
            f"no completion under a persona holds an answer where it is read ({answered.cut:.0%} were cut, "
            f"{answered.ended:.0%} ended without one), so accuracy says nothing; {remedy}."
        )
    among = "under some persona nothing was answered"
    if (panel := answered.among) is not None:
        among = f"among the answered, mean accuracy is {panel.mean.value:.3f} and PSS {panel.pss.value:.3f}"
    return (
        f"an answer was found in {answered.mean.value:.0%} of the completions under personas, and in "
        f"{answered.worst.value:.0%} under the worst: {answered.cut:.0%} were cut before one, {answered.ended:.0%} "
        f"ended without one; {among}; {remedy}."
    )
