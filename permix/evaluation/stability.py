"""Stability: how little the persona changes accuracy. Every figure's definition is in `scorecard.Stability`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from permix.evaluation.intervals import Array, bootstrap_weights, estimate, holding
from permix.evaluation.scorecard import Estimate, Stability


@dataclass(frozen=True)
class Outcomes:
    """What a model solved: the same problems under every persona and under the neutral prompt.

    An adaptive evaluation asks some personas less than others (`permix.evaluation.adaptive`); what was not asked is
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
        whole = np.concatenate([self.neutral[:, None], self.correct], axis=1).astype(float)
        asked = np.isfinite(whole)
        counts = asked.sum(axis=2)
        rates: Array = np.divide(
            np.where(asked, whole, 0).sum(axis=2), counts, out=np.full(counts.shape, np.nan), where=counts > 0
        )
        return rates


def measure_stability(
    outcomes: Outcomes, resamples: int, confidence: float, seed: int
) -> tuple[Stability, dict[str, Estimate]]:
    """The panel, and each persona's accuracy, with intervals over problems (a problem keeps all its completions)."""
    rng = np.random.default_rng(seed)
    rates = outcomes.rates()
    weights = bootstrap_weights(len(rates), resamples, rng)
    measured, resampled = panel(rates, even_weights(rates)), panel(rates, weights)
    bounds = {"worst_minus_neutral": (-1.0, 1.0)}
    figures = {
        name: estimate(float(value[0]), resampled[name], confidence, bounds.get(name, (0.0, 1.0)))
        for name, value in measured.items()
    }
    accuracies, means = weighted_means(rates, even_weights(rates))[0, 1:], weighted_means(rates, weights)[:, 1:]
    stability = Stability(
        noise_floor=noise_floor(outcomes.correct, resamples, confidence, rng),
        worst_persona=outcomes.personas[int(accuracies.argmin())],
        best_persona=outcomes.personas[int(accuracies.argmax())],
        **figures,
    )
    return stability, {
        persona: estimate(float(accuracies[i]), means[:, i], confidence) for i, persona in enumerate(outcomes.personas)
    }


def noise_floor(correct: Array, permutations: int, confidence: float, rng: np.random.Generator) -> Estimate:
    """PSS if personas had no effect: mean and range over permutations of each problem's completions among personas.

    `correct` has shape (N, P, K), NaN where nothing was asked; each persona keeps as many completions of a problem as
    it has. What a permutation leaves of c correct completions among P groups is a draw from the multivariate
    hypergeometric distribution, so only those counts are drawn, problem by problem.
    """
    asked = np.isfinite(correct).sum(axis=2)
    solved = np.nansum(correct, axis=(1, 2)).astype(int)
    sums = np.zeros((permutations, correct.shape[1]))
    for counts, total in zip(asked, solved, strict=True):
        drawn = rng.multivariate_hypergeometric(counts, total, size=permutations, method="marginals")
        sums += drawn / np.maximum(counts, 1)
    accuracies = sums / (asked > 0).sum(axis=0)
    scores = _ratio(accuracies.min(axis=-1), accuracies.max(axis=-1))
    tail = (1 - confidence) / 2
    low, high = np.quantile(scores, [tail, 1 - tail])
    return holding(scores.mean(), low, high)


def even_weights(rates: Array) -> Array:
    """The weights that measure the sample itself, shape (1, N)."""
    return np.full((1, len(rates)), 1 / len(rates))


def weighted_means(rates: Array, weights: Array) -> Array:
    """Accuracies, shape (B, columns), of rates of shape (N, columns), NaN where not asked, for weights (B, N).

    NaN where none of a column's problems has any weight.
    """
    asked = np.isfinite(rates)
    sums = weights @ np.where(asked, rates, 0.0)
    if asked.all():
        even: Array = sums / weights.sum(axis=1, keepdims=True)
        return even
    whole = weights @ asked
    means: Array = np.divide(sums, whole, out=np.full(sums.shape, np.nan), where=whole > 0)
    return means


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
    """part / whole, with 0/0 = 0."""
    ratio: Array = np.divide(part, whole, out=np.zeros_like(part, dtype=float), where=whole > 0)
    return ratio
