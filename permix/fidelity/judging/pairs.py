"""Two models that the same judges read: by how much their fidelity differs, and how sure that is."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from permix.fidelity.judging.figures import HIGHEST, LOWEST, PersonaGymScore
from permix.statistics.difference import Difference, over_personas


def with_judges_difference(
    differences: Mapping[str, Difference],
    candidate: PersonaGymScore | None,
    reference: PersonaGymScore | None,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> dict[str, Difference]:
    """The differences, with `fidelity` as the judges saw it, from 0 to 1, where both models were judged.

    Paired over the personas of which both models have a PersonaScore. Where only one was judged, or they share no such
    persona, there is no `fidelity`: what else is known of it is the voice, which is another figure.
    """
    if candidate is None and reference is None:
        return dict(differences)
    others = {name: difference for name, difference in differences.items() if name != "fidelity"}
    if (
        candidate is None
        or reference is None
        or not (shared := sorted(candidate.personas.keys() & reference.personas.keys()))
    ):
        return others
    scores = [
        (np.array([figures.personas[name] for name in shared]) - LOWEST) / (HIGHEST - LOWEST)
        for figures in (candidate, reference)
    ]
    found = over_personas(scores[0], scores[1], resamples, confidence, np.random.default_rng(seed))
    return {**others, "fidelity": found}
