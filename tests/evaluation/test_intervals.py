from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from permix.evaluation.intervals import bootstrap_weights, estimate, mean_estimate
from permix.evaluation.stability import Outcomes, measure_stability


def test_weights_are_shares_of_the_units() -> None:
    weights = bootstrap_weights(7, 500, np.random.default_rng(0))
    assert weights.shape == (500, 7)
    assert weights.sum(axis=1) == pytest.approx(1)
    assert weights.mean(axis=0) == pytest.approx(1 / 7, abs=0.02)


@pytest.mark.parametrize(
    ("value", "resampled", "interval"),
    [
        (0.5, [0.4, 0.5, 0.7], (0.3, 0.6)),
        (0.9, [0.5, 0.8, 0.9], (0.9, 1.0)),  # 1.3 is no share
        (0.5, [0.2, 0.3, 0.4], (0.5, 0.8)),  # biased resamples: widened to hold the value
        (1.0, [1.0, 1.0, 1.0], (1.0, 1.0)),
    ],
)
def test_the_basic_interval(value: float, resampled: list[float], interval: tuple[float, float]) -> None:
    found = estimate(value, np.array(resampled), confidence=1.0)
    assert (found.low, found.value, found.high) == pytest.approx((interval[0], value, interval[1]))


def test_intervals_of_a_mean_hold_the_truth_as_often_as_they_say() -> None:
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(400):
        found = mean_estimate(rng.beta(2, 1, 40), resamples=300, confidence=0.9, rng=rng)
        held += found.low <= 2 / 3 <= found.high
    assert 0.85 <= held / 400 <= 0.94


# Accuracies of the personas, and how often the interval may hold the true PSS at a nominal 95 %: it is an honest
# interval where personas differ smoothly or one stands out, and somewhat short where several tie for the worst.
@pytest.mark.parametrize(
    ("accuracies", "least"),
    [
        (np.linspace(0.75, 0.9, 20), 0.92),
        (np.array([0.85] * 19 + [0.3]), 0.9),
        (np.array([0.8] * 8 + [0.6] * 6 + [0.4] * 3 + [0.3] * 3), 0.8),
    ],
    ids=["smooth", "one bad", "ties"],
)
def test_intervals_of_the_pss(accuracies: np.ndarray, least: float) -> None:
    rng = np.random.default_rng(2)
    truth, held, rounds = accuracies.min() / accuracies.max(), 0, 150
    for _ in range(rounds):
        # Problems differ in difficulty, alike under every persona; marginal accuracies are as given.
        chance = norm.cdf(norm.ppf(accuracies) * np.sqrt(2) + rng.normal(size=(60, 1)))
        correct = rng.random((60, 20, 4)) < chance[:, :, None]
        outcomes = Outcomes(tuple(map(str, range(60))), tuple(map(str, range(20))), correct, correct[:, 0])
        pss = measure_stability(outcomes, resamples=200, confidence=0.95, seed=0)[0].pss
        held += pss.low <= truth <= pss.high
    assert held / rounds >= least
