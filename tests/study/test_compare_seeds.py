"""Intervals over seeds: the textbook's numbers, and the coverage that they claim."""

from __future__ import annotations

import numpy as np
import pytest

from permix.study.compare import compare_seeds, seed_interval


def test_students_own_example() -> None:
    # Student (1908), "The probable error of a mean", section IX: hours of sleep gained by ten patients, drug 2 less 1.
    gained = [1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4]
    mean, low, high = seed_interval(gained)
    assert (mean, low, high) == pytest.approx((1.58, 0.70, 2.46), abs=0.005)


def test_one_seed_has_no_interval() -> None:
    with pytest.raises(ValueError, match="needs two of them; there is 1"):
        seed_interval([0.5])


def test_differences_are_paired_by_seed() -> None:
    # Seeds differ much, the arms of one seed by 0.1 each: pairing must find that.
    base = {seed: {"pss": value} for seed, value in enumerate([0.1, 0.5, 0.9])}
    arm = {seed: {"pss": value["pss"] + 0.1 + 0.001 * seed} for seed, value in base.items()}
    found = compare_seeds(arm, base)["pss"]
    assert found.difference == pytest.approx(0.101)
    assert found.relative == pytest.approx(0.101 / 0.5)
    assert 0.09 < found.low < found.high < 0.11
    assert found.seeds == 3


def test_only_common_seeds_and_figures_count() -> None:
    found = compare_seeds(
        {1: {"pss": 0.5, "fidelity": 1.0}, 2: {"pss": 0.6}, 3: {"pss": 0.9}},
        {1: {"pss": 0.0, "fidelity": 0.5}, 2: {"pss": 0.0}},
    )
    assert set(found) == {"pss"}
    assert (found["pss"].seeds, found["pss"].relative) == (2, None)


def test_the_interval_covers_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    draws = rng.normal(0.3, 0.1, size=(2000, 5))
    held = sum(low <= 0.3 <= high for _, low, high in map(seed_interval, draws.tolist()))
    assert 0.935 < held / len(draws) < 0.965
