"""The organism's words: how well a persona is kept, in role-play and while solving problems.

The judge is the organism's (`permix.organism.voice`): it counts the words that the organism's world gives
to each role, so it is deterministic and knows those roles only. Other personas are reported as not measured. Where a
profile configures judges (`evaluation.judging`), they score role-play by PersonaGym's protocol instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from permix.fidelity.figures import Fidelity
from permix.organism.voice import SOLVING_SLOTS, voice_score
from permix.organism.world import VOICES
from permix.personas.schema import Persona
from permix.statistics.intervals import mean_estimate
from permix.statistics.value import Estimate

JUDGE = "organism voice (deterministic: counts the words of each role)"


def role_of(persona: Persona) -> str | None:
    """The role whose voice the judge can hear; None where it knows none."""
    role = persona.attributes.get("role")
    return role if role in VOICES else None


def score_solving(completion: str, persona: Persona) -> float | None:
    """The persona's voice in the completion of a problem; None where the judge knows none."""
    role = role_of(persona)
    return None if role is None else voice_score(completion, role, SOLVING_SLOTS)


def score_roleplay(reply: str, persona: Persona) -> float | None:
    """The persona's voice in a role-play reply; None where the judge knows none."""
    role = role_of(persona)
    return None if role is None else voice_score(reply, role)


def measure_fidelity(
    roleplay: Mapping[str, float],
    solving: Mapping[str, float],
    personas: Sequence[Persona],
    resamples: int,
    confidence: float,
    seed: int,
) -> Fidelity:
    """Both fidelities: means over personas, each the mean of its replies (by persona id), with intervals over them."""
    measured = {persona.id for persona in personas if role_of(persona) is not None}
    missing = len(personas) - len(measured)
    note = f"{missing} of {len(personas)} personas have no voice that the judge knows" if missing else ""

    def over_personas(means: Mapping[str, float]) -> Estimate | None:
        values = np.array(list(means.values()))
        return mean_estimate(values, resamples, confidence, np.random.default_rng(seed)) if len(values) else None

    return Fidelity(
        judge=JUDGE if measured else "",
        personas=len(measured),
        roleplay=over_personas(roleplay),
        solving=over_personas(solving),
        note=note,
    )
