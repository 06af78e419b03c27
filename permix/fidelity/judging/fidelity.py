"""Fidelity in role-play as judges scored it, by PersonaGym's protocol."""

from __future__ import annotations

from permix.fidelity.figures import Fidelity
from permix.fidelity.judging.figures import HIGHEST, LOWEST, PersonaGymScore
from permix.statistics.value import Estimate


def judged_fidelity(figures: PersonaGymScore, solving: Estimate | None) -> Fidelity:
    """Fidelity on a scale from 0 to 1, (PersonaScore - 1) / 4; `solving` is measured elsewhere and kept."""
    return Fidelity(
        judge=f"PersonaGym's protocol, judged by {' and '.join(figures.judges)}",
        personas=len(figures.personas),
        roleplay=None if figures.persona_score is None else _as_share(figures.persona_score),
        solving=solving,
        note=_left_out(figures),
        judged=figures,
    )


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
