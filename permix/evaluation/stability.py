"""Stability: how little the persona changes accuracy. Every figure's definition is in `scorecard.Stability`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from permix.evaluation.intervals import Array, bootstrap_weights, estimate, holding
from permix.evaluation.scorecard import Estimate, Stability


@dataclass(frozen=True)
class Outcomes:
    """What a model solved: the same problems under every persona and under the neutral prompt."""

    problems: tuple[str, ...]
    """Ids, N of them."""
    personas: tuple[str, ...]
    """Ids, P of them; the neutral prompt is not among them."""
    correct: Array
    """0 or 1, shape (N, P, K): K samples of each problem under each persona."""
    neutral: Array
    """0 or 1, shape (N, K)."""

    def __post_init__(self) -> None:
        """Refuse what has no statistics."""
        n, p = len(self.problems), len(self.personas)
        if not n or not p:
            raise ValueError(f"stability needs problems and personas; there are {n} and {p}")
        if self.correct.shape[:2] != (n, p) or self.neutral.shape != (n, self.correct.shape[2]):
            raise ValueError(f"{self.correct.shape=} and {self.neutral.shape=} do not fit {n} problems, {p} personas")


def measure_stability(
    outcomes: Outcomes, resamples: int, confidence: float, seed: int
) -> tuple[Stability, dict[str, Estimate]]:
    """The panel, and each persona's accuracy, with intervals over problems (a problem keeps all its completions)."""
    rng = np.random.default_rng(seed)
    table = _table(outcomes)
    means = bootstrap_weights(len(table), resamples, rng) @ table
    measured, resampled = _panel(table.mean(axis=0)), _panel(means)
    bounds = {"worst_minus_neutral": (-1.0, 1.0)}
    figures = {
        name: estimate(float(value), resampled[name], confidence, bounds.get(name, (0.0, 1.0)))
        for name, value in measured.items()
    }
    accuracies = outcomes.correct.mean(axis=(0, 2))
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

    `correct` has shape (N, P, K). What a permutation leaves of c correct completions among P groups of K is a draw
    from the multivariate hypergeometric distribution, so only those counts are drawn, problem by problem.
    """
    _, personas, samples = correct.shape
    counts = np.zeros((permutations, personas))
    for solved in correct.sum(axis=(1, 2)).astype(int):
        counts += rng.multivariate_hypergeometric([samples] * personas, solved, size=permutations, method="marginals")
    scores = _ratio(counts.min(axis=-1), counts.max(axis=-1))
    tail = (1 - confidence) / 2
    low, high = np.quantile(scores, [tail, 1 - tail])
    return holding(scores.mean(), low, high)


def _table(outcomes: Outcomes) -> Array:
    """What the panel is made of, as means over problems: shape (N, P + 4).

    Columns: accuracy under each persona, neutral accuracy, solved by all, solved by any, sensitivity.
    """
    rates = outcomes.correct.mean(axis=2)
    personas = rates.shape[1]
    # One completion is drawn under each persona, independently: the chance that all, or any, of them are right.
    by_all = rates.prod(axis=1)
    by_any = 1 - (1 - rates).prod(axis=1)
    # The mean absolute difference of all pairs, from the sorted values: each counts once for every one below it and
    # minus once for every one above.
    ranks = 2 * np.arange(personas) - personas + 1
    pairs = max(1, personas * (personas - 1) / 2)
    sensitivity = (np.sort(rates, axis=1) * ranks).sum(axis=1) / pairs
    return np.column_stack([rates, outcomes.neutral.mean(axis=1), by_all, by_any, sensitivity])


def _panel(means: Array) -> dict[str, Array]:
    """The figures from the means of `_table`'s columns, shape (..., P + 4); each has shape (...)."""
    accuracies = means[..., :-4]
    neutral, by_all, by_any, sensitivity = (means[..., i] for i in (-4, -3, -2, -1))
    worst, best, mean = accuracies.min(axis=-1), accuracies.max(axis=-1), accuracies.mean(axis=-1)
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


def _ratio(part: Array, whole: Array) -> Array:
    """part / whole, with 0/0 = 0."""
    ratio: Array = np.divide(part, whole, out=np.zeros_like(part, dtype=float), where=whole > 0)
    return ratio
