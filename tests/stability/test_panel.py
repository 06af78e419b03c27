from __future__ import annotations

import itertools

import numpy as np
import pytest

from permix.stability.outcomes import Outcomes
from permix.stability.panel import measure_stability, noise_floor


def outcomes(correct: object, neutral: object) -> Outcomes:
    solved = np.array(correct, dtype=float)
    problems, personas, _ = solved.shape
    names = tuple(f"problem {i}" for i in range(problems)), tuple(f"persona {i}" for i in range(personas))
    return Outcomes(*names, solved, np.array(neutral, dtype=float))


FIGURES = (
    "pss", "neutral", "mean", "worst", "best", "best_minus_worst", "worst_minus_neutral", "all_over_any",
    "prompt_sensi_score", "sat", "cps",
)  # fmt: skip
# Worked by hand: outcomes under the personas and under none, then the figures in this order.
HAND = [
    # Persona 0 solves both problems, persona 1 one of two.
    ([[[1], [0]], [[1], [1]]], [[0], [1]], (1 / 2, 1 / 2, 3 / 4, 1 / 2, 1, 1 / 2, 0, 1 / 2, 1 / 2, 3 / 4, 3 / 4)),
    # Rates 1 and 1/2 on problem 0, 1/2 and 0 on problem 1: all is (1/2 + 0) / 2, any (1 + 1/2) / 2.
    (
        [[[1, 1], [0, 1]], [[1, 0], [0, 0]]],
        [[1, 1], [1, 0]],
        (1 / 3, 3 / 4, 1 / 2, 1 / 4, 3 / 4, 1 / 2, -1 / 2, 1 / 3, 1 / 2, 3 / 4, 9 / 16),
    ),
    # Nothing is solved.
    ([[[0], [0]], [[0], [0]]], [[0], [0]], (0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0)),
    # The persona does not matter.
    ([[[1], [1], [1]], [[0], [0], [0]]], [[1], [0]], (1, 1 / 2, 1 / 2, 1 / 2, 1 / 2, 0, 0, 1, 0, 1, 1 / 2)),
]


@pytest.mark.parametrize(("correct", "neutral", "panel"), HAND)
def test_the_panel_as_worked_by_hand(correct: object, neutral: object, panel: tuple[float, ...]) -> None:
    stability, _ = measure_stability(outcomes(correct, neutral), resamples=100, confidence=0.95, seed=0)
    assert [getattr(stability, name).value for name in FIGURES] == pytest.approx(panel)


def test_the_worst_and_best_persona_are_named() -> None:
    stability, accuracy = measure_stability(outcomes([[[1], [0], [1]]], [[1]]), 100, 0.95, 0)
    assert (stability.worst_persona, stability.best_persona) == ("persona 1", "persona 0")
    assert [accuracy[f"persona {i}"].value for i in range(3)] == [1, 0, 1]


def test_sensitivity_is_the_mean_difference_of_all_pairs() -> None:
    correct = np.random.default_rng(1).integers(0, 2, (9, 7, 3))
    rates = correct.mean(axis=2)
    pairs = [np.abs(rates[:, a] - rates[:, b]) for a, b in itertools.combinations(range(7), 2)]
    stability, _ = measure_stability(outcomes(correct, correct[:, 0]), 10, 0.95, 0)
    assert stability.prompt_sensi_score.value == pytest.approx(np.mean(pairs))


@pytest.mark.parametrize("axis", [0, 1, 2], ids=["problems", "personas", "samples"])
def test_the_figures_do_not_depend_on_any_order(axis: int) -> None:
    rng = np.random.default_rng(2)
    correct, neutral = rng.integers(0, 2, (9, 7, 3)), rng.integers(0, 2, (9, 3))
    order = rng.permutation(correct.shape[axis])
    shuffled = np.take(correct, order, axis), neutral if axis == 1 else np.take(neutral, order, min(axis, 1))
    one, _ = measure_stability(outcomes(correct, neutral), 10, 0.95, 0)
    two, _ = measure_stability(outcomes(*shuffled), 10, 0.95, 0)
    for name in ("pss", "neutral", "mean", "worst", "best", "all_over_any", "prompt_sensi_score", "sat", "cps"):
        assert getattr(one, name).value == pytest.approx(getattr(two, name).value), name


def test_the_noise_floor_as_worked_by_hand() -> None:
    rng = np.random.default_rng(0)
    # One of two completions is right: one persona has it, the other nothing.
    assert noise_floor(np.array([[[1], [0]]]), 100, 0.95, rng).value == 0
    # Two of four, two each: both at one persona in 2 of 6 ways (PSS 0), one at each in 4 of 6 (PSS 1).
    assert noise_floor(np.array([[[1, 1], [0, 0]]]), 20_000, 0.95, rng).value == pytest.approx(4 / 6, abs=0.01)
    assert noise_floor(np.ones((5, 3, 2)), 10, 0.95, rng).value == 1


def test_the_noise_floor_is_what_permuting_the_labels_gives() -> None:
    rng = np.random.default_rng(3)
    correct = rng.random((20, 6, 3)) < rng.random((20, 1, 1))
    shuffled = rng.permuted(np.repeat(correct.reshape(1, 20, 18), 4000, axis=0), axis=2).reshape(4000, 20, 6, 3)
    accuracy = shuffled.mean(axis=(1, 3))
    scores = accuracy.min(axis=1) / accuracy.max(axis=1)
    floor = noise_floor(correct, 4000, 0.9, rng)
    assert floor.value == pytest.approx(scores.mean(), abs=0.01)
    assert [floor.low, floor.high] == pytest.approx(np.quantile(scores, [0.05, 0.95]), abs=0.02)


def test_a_model_that_no_persona_affects_scores_its_noise_floor() -> None:
    rng = np.random.default_rng(4)
    scores, floors, inside = [], [], 0
    for _ in range(150):
        # Problems differ in difficulty; personas do not matter.
        correct = rng.random((30, 8, 2)) < rng.beta(2, 1, (30, 1, 1))
        accuracy = correct.mean(axis=(0, 2))
        floor = noise_floor(correct, 200, 0.9, rng)
        scores.append(accuracy.min() / accuracy.max())
        floors.append(floor.value)
        inside += floor.low <= scores[-1] <= floor.high
    assert np.mean(scores) == pytest.approx(np.mean(floors), abs=0.015)
    assert np.mean(scores) < 0.9, "which is well under 1"
    assert 0.83 <= inside / 150 <= 0.97


def test_a_model_that_one_persona_breaks_scores_below_its_noise_floor() -> None:
    rng = np.random.default_rng(5)
    chance = np.array([0.9] * 7 + [0.3])
    stability, _ = measure_stability(
        outcomes(rng.random((40, 8, 2)) < chance[:, None], rng.random((40, 2)) < 0.9), 200, 0.95, 0
    )
    assert stability.worst_persona == "persona 7"
    assert stability.pss.high < stability.noise_floor.low


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="do not fit 1 problems, 2 personas"):
        Outcomes(("a",), ("b", "c"), np.ones((1, 2, 3)), np.ones((1, 2)))
    with pytest.raises(ValueError, match="there are 1 and 0"):
        Outcomes(("a",), (), np.ones((1, 0, 3)), np.ones((1, 3)))
