"""Fidelity: how well a persona is kept, in role-play and while solving problems.

By default the judge is the organism's (`permix.organism.voice`): it counts the words that the organism's world gives
to each role, so it is deterministic and knows those roles only. Other personas are reported as not measured. Where a
profile configures judges (`evaluation.judging`), they score role-play by PersonaGym's protocol instead.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from permix.config import digest
from permix.evaluation.answers import Answer
from permix.evaluation.intervals import mean_estimate
from permix.evaluation.judged import HIGHEST, LOWEST, PersonaGymScore
from permix.evaluation.scorecard import Fidelity, Scorecard
from permix.evaluation.value import Estimate
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


def with_judges(scorecard: Scorecard, figures: PersonaGymScore, asked: str) -> Scorecard:
    """The scorecard with fidelity in role-play as judges scored it, on a scale from 0 to 1: (PersonaScore - 1) / 4.

    `asked` is the digest of the questions, rubrics and judges, which become a part of the protocol: fidelities that
    were judged in another way do not compare.
    """
    judges = " and ".join(figures.judges)
    fidelity = Fidelity(
        judge=f"PersonaGym's protocol, judged by {judges}",
        personas=len(figures.personas),
        roleplay=None if figures.persona_score is None else _as_share(figures.persona_score),
        solving=scorecard.fidelity.solving,
        note=_left_out(figures),
        judged=figures,
    )
    return scorecard.model_copy(update={"fidelity": fidelity, "protocol": digest(scorecard.protocol, asked)})


def _as_share(score: Estimate) -> Estimate:
    return Estimate(**{end: (value - LOWEST) / (HIGHEST - LOWEST) for end, value in score.model_dump().items()})


def _left_out(figures: PersonaGymScore) -> str:
    if not figures.unscored:
        return ""
    unread = ", ".join(f"{name} {report.unparsed_rate:.1%}" for name, report in figures.judges.items())
    note = (
        f"{figures.unscored} of {figures.questions} replies are left out, because not every judge gave them a score "
        f"that can be read (without one: {unread})"
    )
    if figures.persona_score is None:
        return f"{note}; no persona has a scored reply in each of the five tasks"
    lost = len(figures.personas_left_out)
    return f"{note}, and {lost} personas that have none left in some task" if lost else note
