"""Do the statistics hold what they say? Simulated models, whose truth is known, are measured again and again.

    python benchmarks/intervals_cover.py [ROUNDS]        (100 rounds, the default: about three minutes on one core)

Prints four tables, as markdown: how often the interval of PSS holds the truth; what a model scores that no persona
affects, beside its noise floor; how often the interval of a difference holds the truth, and how the probability of
being better is spread where two models do not differ; and how often the interval of a mean over few personas holds the
truth, with its width. docs/evaluation.md has what it printed.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from permix.evaluation.paired import compare_outcomes
from permix.stability.outcomes import Outcomes
from permix.stability.panel import measure_stability, noise_floor
from permix.stability.simulated import SHAPES, simulated_chances, simulated_outcomes, true_pss
from permix.statistics.intervals import bootstrap_weights, estimate, mean_estimate

RESAMPLES, CONFIDENCE = 300, 0.95
DESIGNS: dict[str, dict[str, Any]] = {
    "60 problems × 4": {"problems": 60, "samples": 4},
    "60 × 1": {"problems": 60, "samples": 1},
    "15 × 4": {"problems": 15, "samples": 4},
    "60 × 4, own weak points": {"problems": 60, "samples": 4, "own": 1.0},
}
# As SHAPES, of the same PSS as `graded, 0.30 to 0.90`, by one persona alone.
ONE_AT_A_THIRD = (0.3, *[0.9] * 19)
PAIRS = {
    "all equal, both": (SHAPES["all equal"],) * 2,
    "one far below, both": (SHAPES["one far below"],) * 2,
    "graded, 0.75 to 0.90, both": (SHAPES["graded, 0.75 to 0.90"],) * 2,
    "groups that tie, both": (SHAPES["groups that tie"],) * 2,
    "graded from 0.30, and one at 0.30": (SHAPES["graded, 0.30 to 0.90"], ONE_AT_A_THIRD),
    "all equal, and one far below": (SHAPES["all equal"], SHAPES["one far below"]),
    "graded from 0.75, and one just below": (SHAPES["graded, 0.75 to 0.90"], SHAPES["one just below"]),
}


def pss_intervals(rounds: int) -> None:
    print("| personas | true PSS | design | mean PSS | holds | all above | all below | width | basic bootstrap holds |")
    print("|---|---:|---|---:|---:|---:|---:|---:|---:|")
    for shape, accuracies in SHAPES.items():
        truth = true_pss(accuracies)
        for design, settings in DESIGNS.items():
            rng = np.random.default_rng(1)
            found, basic = [], 0
            for _ in range(rounds):
                outcomes = simulated_outcomes(accuracies, rng=rng, **settings)
                found.append(measure_stability(outcomes, RESAMPLES, CONFIDENCE, 0)[0].pss)
                basic += _basic_holds(outcomes, truth, rng)
            above = np.mean([one.low > truth + 1e-9 for one in found])
            below = np.mean([one.high < truth - 1e-9 for one in found])
            width, value = np.mean([one.high - one.low for one in found]), np.mean([one.value for one in found])
            print(
                f"| {shape} | {truth:.2f} | {design} | {value:.2f} | {1 - above - below:.0%} | {above:.0%} "
                f"| {below:.0%} | {width:.2f} | {basic / rounds:.0%} |",
                flush=True,
            )


def _basic_holds(outcomes: Outcomes, truth: float, rng: np.random.Generator) -> bool:
    """Whether the basic bootstrap of the minimum and maximum themselves would have held it."""
    rates = outcomes.rates()[:, 1:]
    means = bootstrap_weights(len(rates), RESAMPLES, rng) @ rates
    value = rates.mean(axis=0).min() / max(rates.mean(axis=0).max(), 1e-9)
    found = estimate(value, means.min(axis=1) / np.maximum(means.max(axis=1), 1e-9), CONFIDENCE)
    return found.low - 1e-9 <= truth <= found.high + 1e-9


def noise_floors(rounds: int) -> None:
    print("| accuracy | design | mean PSS | mean noise floor | PSS within the floor's range |")
    print("|---:|---|---:|---:|---:|")
    for accuracy in (0.5, 0.8, 0.97):
        for design, settings in DESIGNS.items():
            if "own" in settings:
                continue  # there every persona has an effect, though none on its accuracy
            rng = np.random.default_rng(2)
            scores, floors, within = [], [], 0
            for _ in range(rounds):
                outcomes = simulated_outcomes((accuracy,) * 20, rng=rng, **settings)
                means = outcomes.correct.mean(axis=(0, 2))
                floor = noise_floor(outcomes.correct, RESAMPLES, CONFIDENCE, rng)
                scores.append(means.min() / means.max())
                floors.append(floor.value)
                within += floor.low <= scores[-1] <= floor.high
            print(
                f"| {accuracy} | {design} | {np.mean(scores):.3f} | {np.mean(floors):.3f} | {within / rounds:.0%} |",
                flush=True,
            )


def paired(rounds: int) -> None:
    print("| two models | true difference | mean | interval holds | width | below 0.05 | below 0.5 | above 0.95 |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    for name, (mine, theirs) in PAIRS.items():
        truth = true_pss(mine) - true_pss(theirs)
        rng = np.random.default_rng(3)
        found = []
        for _ in range(rounds):
            chances = simulated_chances((max(mine), *mine, max(theirs), *theirs), 60, rng)
            drawn = (rng.random((*chances.shape, 4)) < chances[:, :, None]).astype(float)
            names = tuple(map(str, range(60))), tuple(map(str, range(len(mine))))
            both = [Outcomes(*names, half[:, 1:], half[:, 0]) for half in np.split(drawn, 2, axis=1)]
            kinds = dict.fromkeys(names[1], "expert")
            found.append(compare_outcomes(*both, kinds, RESAMPLES, CONFIDENCE)["pss"])
        probability = np.array([one.probability for one in found])
        print(
            f"| {name} | {truth:+.2f} | {np.mean([one.difference for one in found]):+.3f} "
            f"| {np.mean([one.low - 1e-9 <= truth <= one.high + 1e-9 for one in found]):.0%} "
            f"| {np.mean([one.high - one.low for one in found]):.2f} | {(probability < 0.05).mean():.0%} "
            f"| {(probability < 0.5).mean():.0%} | {(probability > 0.95).mean():.0%} |",
            flush=True,
        )


def few_personas(rounds: int) -> None:
    print("| scores of personas | 3 personas | 5 | 10 | 20 | 50 |")
    print("|---|---:|---:|---:|---:|---:|")
    for name, (a, b) in {
        "evenly spread": (20, 10),
        "skewed": (2, 1),
        "near the top": (20, 1),
        "a tail": (5, 0.5),
    }.items():
        rng = np.random.default_rng(4)
        row = []
        for personas in (3, 5, 10, 20, 50):
            found = [mean_estimate(rng.beta(a, b, personas), RESAMPLES, CONFIDENCE, rng) for _ in range(4 * rounds)]
            held = np.mean([one.low <= a / (a + b) <= one.high for one in found])
            row.append(f"{held:.0%} ({np.mean([one.high - one.low for one in found]):.2f})")
        print(f"| {name}: Beta({a}, {b}) | {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    repeat = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    for table in (pss_intervals, noise_floors, paired, few_personas):
        print(f"\n{table.__name__.replace('_', ' ')}, {repeat} rounds\n")
        table(repeat)
