"""Simulated models whose true accuracies are known: what the statistics are checked against.

Problems differ in difficulty, alike for all personas; beyond that a persona may have problems of its own that it fails
(`own`). A problem's chance is that of a probit model, whose mean over problems is exactly the accuracy asked for.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import ndtr, ndtri

from permix.stability.outcomes import Outcomes
from permix.statistics.intervals import Array

# Name, and the accuracy under each persona.
SHAPES: dict[str, tuple[float, ...]] = {
    "all equal": (0.8,) * 20,
    "all equal, nearly perfect": (0.97,) * 20,
    "one far below": (*[0.85] * 19, 0.3),
    "one just below": (*[0.85] * 19, 0.8),
    "graded, 0.75 to 0.90": tuple(np.linspace(0.75, 0.9, 20)),
    "graded, 0.30 to 0.90": tuple(np.linspace(0.3, 0.9, 20)),
    "groups that tie": (*[0.8] * 8, *[0.6] * 6, *[0.4] * 3, *[0.3] * 3),
    "hardly anything solved": tuple(np.linspace(0.05, 0.15, 20)),
    "two personas, equal": (0.8, 0.8),
    "two personas, 0.7 and 0.9": (0.7, 0.9),
}


def true_pss(accuracies: Sequence[float]) -> float:
    """Worst / best."""
    return min(accuracies) / max(accuracies)


def simulated_chances(
    accuracies: Sequence[float], problems: int, rng: np.random.Generator, own: float = 0.0, shared: float = 1.0
) -> Array:
    """Chance of solving each of a draw of problems under each persona, shape (problems, personas).

    `shared` and `own` are the standard deviations of a problem's difficulty for all personas, and for each by itself;
    the noise within one completion has 1.
    """
    spread = np.sqrt(1 + shared**2 + own**2)
    means = ndtri(np.clip(accuracies, 1e-12, 1 - 1e-12)) * spread
    hardness = shared * rng.normal(size=(problems, 1)) + own * rng.normal(size=(problems, len(accuracies)))
    chances: Array = ndtr(means + hardness)
    return chances


def simulated_outcomes(
    accuracies: Sequence[float],
    problems: int,
    samples: int,
    rng: np.random.Generator,
    own: float = 0.0,
    greedy: bool = False,
) -> Outcomes:
    """What such a model solved; the neutral prompt's accuracy is the best persona's. Greedy: all samples are alike."""
    chances = simulated_chances([max(accuracies), *accuracies], problems, rng, own)
    drawn = rng.random((*chances.shape, 1 if greedy else samples))
    correct = np.repeat(drawn < chances[:, :, None], samples if greedy else 1, axis=2).astype(float)
    names = tuple(f"problem {i}" for i in range(problems)), tuple(f"persona {i}" for i in range(len(accuracies)))
    return Outcomes(*names, correct[:, 1:], correct[:, 0])
