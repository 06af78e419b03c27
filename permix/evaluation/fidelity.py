"""Fidelity: how well a persona is kept, in role-play and while solving problems.

The judge is the organism's (`permix.organism.voice`): it counts the words that the organism's world gives to each
role, so it is deterministic and knows those roles only. Other personas are reported as not measured.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from permix.evaluation.answers import Answer
from permix.evaluation.intervals import mean_estimate
from permix.evaluation.scorecard import Estimate, Fidelity
from permix.organism.voice import SOLVING_SLOTS, voice_score
from permix.organism.world import VOICES
from permix.personas.schema import Persona

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


def voice_means(answers: Sequence[Answer], task: str) -> dict[str, float]:
    """Mean voice of each persona that was scored in a task, by persona id."""
    scores: dict[str, list[float]] = {}
    for answer in answers:
        if answer.task == task and answer.voice is not None:
            scores.setdefault(answer.persona, []).append(answer.voice)
    return {persona: float(np.mean(values)) for persona, values in sorted(scores.items())}


def measure_fidelity(
    answers: Sequence[Answer], personas: Sequence[Persona], resamples: int, confidence: float, seed: int
) -> Fidelity:
    """Both fidelities: means over personas, each the mean of its replies, with intervals over personas."""
    measured = {persona.id for persona in personas if role_of(persona) is not None}
    missing = len(personas) - len(measured)
    note = f"{missing} of {len(personas)} personas have no voice that the judge knows" if missing else ""

    def over_personas(task: str) -> Estimate | None:
        means = np.array(list(voice_means(answers, task).values()))
        return mean_estimate(means, resamples, confidence, np.random.default_rng(seed)) if len(means) else None

    return Fidelity(
        judge=JUDGE if measured else "",
        personas=len(measured),
        roleplay=over_personas("roleplay"),
        solving=over_personas("problem"),
        note=note,
    )
