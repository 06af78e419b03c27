"""Stability: how little the persona changes accuracy. Every figure's definition is in `Stability`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from permix.stability.outcomes import Outcomes
from permix.statistics.extremes import Figures, interval_of_smallest
from permix.statistics.intervals import Array, bootstrap_weights, estimate, holding, small_sample
from permix.statistics.means import Means, even_weights, measure_means, weighted_means
from permix.statistics.value import Estimate, Value

BOUNDS = {"worst_minus_neutral": (-1.0, 1.0)}
"""Of the panel's figures that are not shares."""


class Stability(Value):
    """The panel: how little the persona changes accuracy. Intervals are by bootstrap over problems.

    The neutral prompt is not among the personas. Accuracies are of single completions, the mean over samples.
    """

    pss: Estimate
    """Persona stability score: worst / best persona accuracy (0/0 = 0). permix's own choice; the PerMix-RLVR paper's
    formula could not be had."""
    noise_floor: Estimate
    """PSS of this model if no persona had an effect: mean, and range at the confidence, over permutations of each
    problem's completions among the personas. A robust model scores this, not 1."""
    neutral: Estimate
    """Accuracy without a persona."""
    mean: Estimate
    """Mean accuracy over personas."""
    worst: Estimate
    """Accuracy under the persona with the lowest."""
    best: Estimate
    """Accuracy under the persona with the highest."""
    best_minus_worst: Estimate
    """Difference of the two accuracies: 0 where no persona matters."""
    worst_minus_neutral: Estimate
    """Negative where the worst persona does worse than none."""
    all_over_any: Estimate
    """Share of problems solved under all personas / under any, one completion each (0/0 = 0)."""
    prompt_sensi_score: Estimate
    """ProSA's PromptSensiScore (arXiv 2410.12405): mean over problems of the mean absolute difference in accuracy
    between two personas. Lower is better."""
    sat: Estimate
    """Saturation (Mizrahi et al., arXiv 2401.00595): 1 - (best - mean)."""
    cps: Estimate
    """Combined performance score (same source): sat * best."""
    worst_persona: str
    """Id of the persona with the lowest accuracy; the first by id of several."""
    best_persona: str
    """Id of the persona with the highest accuracy; the first by id of several."""


def measure_stability(
    outcomes: Outcomes, resamples: int, confidence: float, seed: int
) -> tuple[Stability, dict[str, Estimate]]:
    """The panel, and each persona's accuracy, with intervals over problems (a problem keeps all its completions)."""
    rng = np.random.default_rng(seed)
    rates, weights, means = resampled(outcomes, resamples, confidence, rng)
    stability = Stability(
        noise_floor=noise_floor(outcomes.correct, resamples, confidence, rng),
        worst_persona=outcomes.personas[int(means.values[1:].argmin())],
        best_persona=outcomes.personas[int(means.values[1:].argmax())],
        **panel_estimates(rates, weights, means, confidence),
    )
    return stability, {
        persona: means.average([column], confidence) for column, persona in enumerate(outcomes.personas, start=1)
    }


def resampled(
    outcomes: Outcomes, resamples: int, confidence: float, rng: np.random.Generator
) -> tuple[Array, Array, Means]:
    """What `panel_estimates` is made of: rates, a bootstrap's weights over problems, the means with their errors."""
    rates = outcomes.rates()
    weights = bootstrap_weights(len(rates), resamples, rng)
    return rates, weights, measure_means(rates, outcomes.counts(), weights, confidence, rng)


def average_accuracy(
    outcomes: Outcomes, personas: Sequence[str], resamples: int, confidence: float, seed: int
) -> Estimate:
    """Mean accuracy under some of the personas, by id, with its interval over problems."""
    columns = [1 + outcomes.personas.index(persona) for persona in personas]
    rng = np.random.default_rng(seed)
    weights = bootstrap_weights(len(outcomes.problems), resamples, rng)
    means = measure_means(outcomes.rates()[:, columns], outcomes.counts()[:, columns], weights, confidence, rng)
    return means.average(range(len(columns)), confidence)


def panel_estimates(rates: Array, weights: Array, means: Means, confidence: float) -> dict[str, Estimate]:
    """The panel with intervals, each by what its figure is: an average, a smallest of several, or neither.

    `means` are of the same rates and weights (`measure_means`).
    """
    personas = np.arange(1, len(means.values))
    estimates = {"neutral": means.average([0], confidence), "mean": means.average(personas, confidence)}
    measured = {name: float(figure) for name, (figure,) in panel(rates, even_weights(rates)).items()}
    compared = means.and_average(personas)
    for name, (origin, sign, figures) in _smallest(compared).items():
        ends = [origin + sign * end for end in interval_of_smallest(figures, compared, confidence)]
        low, high = np.clip(sorted(ends), *BOUNDS.get(name, (0.0, 1.0)))
        estimates[name] = holding(measured[name], low, high)
    if len(personas) == 1:
        estimates |= {name: holding(measured[name], *[measured[name]] * 2) for name in ("best_minus_worst", "sat")}
    if not means.values[personas].any():
        # Of nothing solved 0 is a convention, not a measurement.
        estimates["pss"] = holding(0.0, 0.0, 1.0)
    elif len(personas) == 1:
        estimates["pss"] = holding(1.0, 1.0, 1.0)
    estimates["cps"] = _cps(measured["cps"], estimates["best"], estimates["mean"])
    resampled, few = panel(rates, weights), small_sample(len(rates), confidence)
    for name in ("all_over_any", "prompt_sensi_score"):
        # A resample may hold none of the problems that every persona was asked.
        value, draws = measured[name], resampled[name][np.isfinite(resampled[name])]
        if not np.isfinite(value):  # no problem was asked of all personas: there is no such figure
            continue
        known = len(rates) > 1 and len(draws) > 1
        estimates[name] = (
            estimate(value, value + few * (draws - value), confidence) if known else holding(value, 0.0, 1.0)
        )
    return estimates


def _smallest(means: Means) -> dict[str, tuple[float, int, Figures]]:
    """The panel's figures that are origin + sign × the smallest of several.

    Means are the neutral prompt's accuracy, the personas', and their average. What compares personas is left out of
    one persona, and PSS where nothing is solved.
    """
    column = np.arange(1, len(means.values) - 1)
    neutral, accuracy, average = means.values[0], means.values[1:-1], means.values[-1]
    last = np.full_like(column, len(means.values) - 1)
    one, none = np.ones(len(column)), np.zeros(len(column))
    found: dict[str, tuple[float, int, Figures]] = {
        "worst": (0.0, 1, Figures(accuracy, column, one, column, none)),
        "best": (1.0, -1, Figures(1 - accuracy, column, -one, column, none)),
        "worst_minus_neutral": (0.0, 1, Figures(accuracy - neutral, column, one, np.zeros_like(column), one)),
    }
    first, second = _pairs(column)
    if len(first):
        found["sat"] = (0.0, 1, Figures(1 - accuracy + average, column, -one, last, -one))
        one = np.ones(len(first))
        apart = means.values[first] - means.values[second]
        found["best_minus_worst"] = (0.0, -1, Figures(apart, first, one, second, one))
    if (figures := ratios(means, column)) is not None:
        found["pss"] = (0.0, 1, figures)
    return found


def ratios(means: Means, columns: Array) -> Figures | None:
    """Every persona's accuracy / every other's, of which PSS is the smallest; None where there are none."""
    first, second = _pairs(columns)
    solved = means.values[second] > 0
    first, second = first[solved], second[solved]
    if not len(first):
        return None
    ratio, gain = means.values[first] / means.values[second], 1 / means.values[second]
    return Figures(ratio, first, gain, second, ratio * gain)


def _pairs(columns: Array) -> tuple[Array, Array]:
    """All ordered pairs of different columns."""
    first, second = np.nonzero(~np.eye(len(columns), dtype=bool))
    return columns[first], columns[second]


def _cps(value: float, best: Estimate, mean: Estimate) -> Estimate:
    """sat × best = best × (1 - best + mean), over all that the intervals of best and mean allow."""
    corners = [
        highest * (1 - highest + middle)
        for middle in (mean.low, mean.high)
        for highest in (best.low, best.high, min(max((1 + middle) / 2, best.low), best.high))
    ]
    return holding(value, min(corners), max(corners))


def noise_floor(correct: Array, permutations: int, confidence: float, rng: np.random.Generator) -> Estimate:
    """PSS if personas had no effect: mean and range over permutations of each problem's completions among personas.

    `correct` has shape (N, P, K), NaN where nothing was asked; each persona keeps as many completions of a problem as
    it has.
    """
    asked = np.isfinite(correct).sum(axis=2)
    solved = np.nansum(correct, axis=(1, 2)).astype(int)
    sums = np.zeros((permutations, correct.shape[1]))
    for counts, total in zip(asked, solved, strict=True):
        have = np.flatnonzero(counts)
        if not len(have):  # of this problem nothing was answered under any persona
            continue
        # Each completion draws a number; the correct ones go to the lowest. Quicker than the hypergeometric counts.
        drawn = rng.random((permutations, counts.sum()))
        lowest = drawn <= np.partition(drawn, total - 1)[:, total - 1 : total] if total else np.zeros(drawn.shape, bool)
        starts = np.concatenate([[0], counts[have].cumsum()[:-1]])
        sums[:, have] += np.add.reduceat(lowest, starts, axis=1, dtype=float) / counts[have]
    accuracies = sums / (asked > 0).sum(axis=0)
    scores = _ratio(accuracies.min(axis=-1), accuracies.max(axis=-1))
    tail = (1 - confidence) / 2
    low, high = np.quantile(scores, [tail, 1 - tail])
    return holding(scores.mean(), low, high)


def panel(rates: Array, weights: Array) -> dict[str, Array]:
    """The panel's figures, each of shape (B,), of `Outcomes.rates` for weights over problems of shape (B, N)."""
    means = weighted_means(rates, weights)
    neutral, accuracies = means[:, 0], means[:, 1:]
    by_all, by_any, sensitivity = weighted_means(_between(rates[:, 1:]), weights).T
    worst, best = np.nanmin(accuracies, axis=1), np.nanmax(accuracies, axis=1)
    mean = np.nanmean(accuracies, axis=1)
    sat = 1 - (best - mean)
    return {
        "pss": _ratio(worst, best),
        "neutral": neutral,
        "mean": mean,
        "worst": worst,
        "best": best,
        "best_minus_worst": best - worst,
        "worst_minus_neutral": worst - neutral,
        "all_over_any": _ratio(by_all, by_any),
        "prompt_sensi_score": sensitivity,
        "sat": sat,
        "cps": sat * best,
    }


def _between(rates: Array) -> Array:
    """What a problem's personas have between them, shape (N, 3): solved by all, solved by any, sensitivity.

    Of problems that not every persona was asked there is no such figure: NaN.
    """
    personas = rates.shape[1]
    # One completion is drawn under each persona, independently: the chance that all, or any, of them are right.
    by_all = rates.prod(axis=1)
    by_any = 1 - (1 - rates).prod(axis=1)
    # The mean absolute difference of all pairs, from the sorted values: each counts once for every one below it and
    # minus once for every one above.
    ranks = 2 * np.arange(personas) - personas + 1
    pairs = max(1, personas * (personas - 1) / 2)
    sensitivity = (np.sort(rates, axis=1) * ranks).sum(axis=1) / pairs
    return np.column_stack([by_all, by_any, sensitivity])


def _ratio(part: Array, whole: Array) -> Array:
    """part / whole, with 0/0 = 0; NaN where the whole is not known."""
    ratio: Array = np.divide(part, whole, out=np.where(np.isnan(whole), np.nan, 0.0), where=whole > 0)
    return ratio
