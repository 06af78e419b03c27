"""How often is each persona drawn?

A weight is a chance relative to the other personas': of two that weigh 2 and 1, the first is drawn twice as often
(as the first of a group; a group draws without replacement).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from statistics import fmean

from permix.config import PersonaWeights
from permix.personas.schema import Persona

FAILING = 4.0
"""Adaptive: a persona that always fails is drawn so many times as often as one that never does. Bounded, so that no
persona starves (the mistakes it has left would go unseen) and none takes over."""


def persona_weights(
    personas: Sequence[Persona], setting: PersonaWeights, accuracy: Mapping[str, float] | None = None
) -> dict[str, float]:
    """The weight of each persona, by id; their mean is 1.

    - `uniform`: all alike.
    - `by_kind`: every kind has the same mass, however many personas it has.
    - a mapping of kinds: each kind has that mass; 0 leaves it out.
    - `adaptive`: 1 + (FAILING - 1) (1 - a), where a is the persona's running accuracy. A persona that has none yet is
      taken to be like the mean of the others.

    Raises ValueError where the mapping and the personas' kinds disagree.
    """
    if setting == "uniform":
        weights = dict.fromkeys((persona.id for persona in personas), 1.0)
    elif setting == "adaptive":
        weights = _adaptive(personas, accuracy or {})
    else:
        weights = _by_kind(personas, setting)
    mean = fmean(weights.values()) if weights else 1.0
    return {identity: weight / mean for identity, weight in weights.items()}


def kind_shares(personas: Sequence[Persona], weights: Mapping[str, float]) -> dict[str, float]:
    """Share of the draws that goes to each kind."""
    shares: dict[str, float] = defaultdict(float)
    total = sum(weights.values())
    for persona in personas:
        shares[persona.kind] += weights[persona.id] / total
    return dict(shares)


def _by_kind(personas: Sequence[Persona], setting: PersonaWeights) -> dict[str, float]:
    counts = Counter(persona.kind for persona in personas)
    given = dict.fromkeys(counts, 1.0) if isinstance(setting, str) else setting
    masses: dict[str, float] = {str(kind): mass for kind, mass in given.items()}
    if missing := sorted(set(counts) - set(masses)):
        raise ValueError(
            f"training.persona_weights gives no weight to {', '.join(missing)}, and there are training personas of "
            "that kind: give it one (0 leaves the kind out)"
        )
    if unknown := sorted(set(masses) - set(counts)):
        raise ValueError(
            f"training.persona_weights weighs {', '.join(unknown)}, and there is no training persona of that kind: "
            "take it out, or add such personas"
        )
    if personas and not any(masses.values()):
        raise ValueError("training.persona_weights leaves every kind out: give one a weight above 0")
    return {persona.id: masses[persona.kind] / counts[persona.kind] for persona in personas}


def _adaptive(personas: Sequence[Persona], accuracy: Mapping[str, float]) -> dict[str, float]:
    known = [accuracy[persona.id] for persona in personas if persona.id in accuracy]
    usual = fmean(known) if known else 0.0
    return {persona.id: 1 + (FAILING - 1) * (1 - accuracy.get(persona.id, usual)) for persona in personas}
