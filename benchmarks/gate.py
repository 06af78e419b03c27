"""What the gate lets through: simulated candidates and champions, of known truth, are measured and compared.

    python benchmarks/gate.py [ROUNDS]        (200 rounds, the default: about half an hour on one core)

Prints three tables, as markdown: how often a candidate is found not inferior, for each margin and probability, where
its true PSS differs from the champion's by so much; the same with larger evaluations; and the same for neutral
accuracy. An evaluation is of the organism profile's size where nothing else is said: 60 problems × 4 samples under 20
personas and none. docs/operations.md has what it printed.
"""

from __future__ import annotations

import sys

import numpy as np

from permix.evaluation.paired import compare_outcomes
from permix.stability.outcomes import Outcomes
from permix.stability.simulated import simulated_chances
from permix.statistics.difference import Difference
from permix.statistics.intervals import Array

PERSONAS, WEAK, BEST = 20, 4, 0.88
"""As the organism's eval personas: twenty, of whom four share the worst manner; a trained policy solves 0.88."""
MARGINS, PROBABILITIES = (0.05, 0.1), (0.8, 0.9, 0.95)
RESAMPLES = 300
# Name, the champion's true PSS, and the candidate's less the champion's.
PSS = [
    *(("one manner is worse", 0.85, apart) for apart in (-0.15, -0.1, -0.05, 0.0, 0.05, 0.1)),
    *(("graded", 0.85, apart) for apart in (-0.15, -0.1, -0.05, 0.0, 0.05, 0.1)),
    *(("champion: no effect", 1.0, apart) for apart in (-0.15, -0.1, -0.05, 0.0)),
]
SIZES = ((60, 16), (240, 4))
"""Problems and samples of the larger evaluations."""
NEUTRAL = (-0.15, -0.1, -0.05, 0.0, 0.05, 0.1)


def main(rounds: int) -> None:
    columns = [f"{margin:g} at {probability:g}" for margin in MARGINS for probability in PROBABILITIES]
    head, line = " | ".join(columns), "---:|" * len(columns)
    print(f"| personas | champion's PSS | candidate's | measured | {head} |\n|---|---:|---:|---:|{line}")
    for name, champion, apart in PSS:
        found = [_compared(name, champion, apart, number)["pss"] for number in range(rounds)]
        print(f"| {name} | {champion:.2f} | {apart:+.2f} | {_told(found)} |", flush=True)
    print(f"\n| evaluation | candidate's PSS | measured | {head} |\n|---|---:|---:|{line}")
    for problems, samples in SIZES:
        for apart in (-0.1, -0.05, 0.0, 0.05, 0.1):
            found = [
                _compared("graded", 0.85, apart, number, problems, samples)["pss"] for number in range(rounds // 4)
            ]
            print(f"| {problems} × {samples} | {apart:+.2f} | {_told(found)} |", flush=True)
    print(f"\n| candidate's neutral accuracy | measured | {head} |\n|---:|---:|{line}")
    for apart in NEUTRAL:
        found = [_neutral(apart, number) for number in range(rounds)]
        print(f"| {apart:+.2f} | {_told(found)} |", flush=True)


def accuracies(name: str, pss: float) -> tuple[float, ...]:
    """Of each persona, so that worst / best is the PSS asked for."""
    if name == "graded":
        return tuple(np.linspace(BEST * pss, BEST, PERSONAS))
    return (*[BEST] * (PERSONAS - WEAK), *[BEST * pss] * WEAK)


def _compared(
    name: str, pss: float, apart: float, number: int, problems: int = 60, samples: int = 4
) -> dict[str, list[Difference]]:
    """One evaluation of candidate and champion, compared at each probability: by figure, in their order."""
    mine, theirs = accuracies(name, pss + apart), accuracies(name, pss)
    return _evaluated((BEST, *mine), (BEST, *theirs), number, problems, samples)


def _neutral(apart: float, number: int) -> list[Difference]:
    """The same for neutral accuracies of 0.85 on average that are so far apart; personas have nothing to do with it."""
    mine, theirs = ((0.85 + side * apart / 2, BEST, BEST) for side in (1, -1))
    return _evaluated(mine, theirs, number)["neutral_accuracy"]


def _evaluated(
    mine: tuple[float, ...], theirs: tuple[float, ...], number: int, problems: int = 60, samples: int = 4
) -> dict[str, list[Difference]]:
    rng = np.random.default_rng(number)
    chances = simulated_chances((*mine, *theirs), problems, rng)
    drawn = (rng.random((*chances.shape, samples)) < chances[:, :, None]).astype(float)
    names = tuple(map(str, range(problems))), tuple(map(str, range(len(mine) - 1)))
    both = [Outcomes(*names, half[:, 1:], half[:, 0]) for half in np.split(drawn, 2, axis=1)]
    kinds = dict.fromkeys(names[1], "expert")
    found = [compare_outcomes(*both, kinds, RESAMPLES, 2 * p - 1, number) for p in PROBABILITIES]
    return {figure: [each[figure] for each in found] for figure in ("pss", "neutral_accuracy")}


def _told(found: list[list[Difference]]) -> str:
    low: Array = np.array([[difference.low for difference in each] for each in found])
    shares = [(low[:, place] >= -margin).mean() for margin in MARGINS for place in range(len(PROBABILITIES))]
    measured = np.mean([each[0].difference for each in found])
    return f"{measured:+.3f} | {' | '.join(f'{share:.0%}' for share in shares)}"


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
