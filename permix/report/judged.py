"""What judges made of a model's role-play, as a table in markdown."""

from __future__ import annotations

from permix.fidelity.judging.figures import PersonaGymScore
from permix.statistics.value import Estimate


def judged_markdown(figures: PersonaGymScore) -> str:
    """PersonaScore and its five tasks with intervals, how each judge did, and how far they agree."""
    rows = [("**PersonaScore**", figures.persona_score), *figures.tasks.items()]
    lines = [
        f"PersonaGym's protocol, scores from 1 to 5, {figures.questions} replies of {len(figures.personas)} personas; "
        f"{figures.confidence:.0%} intervals over personas. {figures.unscored} replies are left out, because not every "
        "judge gave them a score that can be read.",
        "",
        "| task | score |",
        "|---|---|",
        *(f"| {name} | {_score(score)} |" for name, score in rows),
        "",
        "| judge | mean | asked again | unparsed |",
        "|---|---|---|---|",
    ]
    for name, judge in figures.judges.items():
        mean = "none" if judge.mean is None else f"{judge.mean:.2f}"
        lines.append(f"| {name} | {mean} | {judge.asked_again} | {judge.unparsed} ({judge.unparsed_rate:.1%}) |")
    if figures.agreement is not None:
        agreed = figures.agreement
        lines += ["", "Agreement on the replies that all scored: " + ", ".join(_agreement(agreed.alpha, agreed.exact))]
    return "\n".join(lines) + "\n"


def _score(score: Estimate | None) -> str:
    return "not measured" if score is None else f"{score.value:.2f} ({score.low:.2f} to {score.high:.2f})"


def _agreement(alpha: float | None, exact: float | None) -> list[str]:
    said = "not defined (no score differs)" if alpha is None else f"{alpha:.2f}"
    return [f"Krippendorff's alpha {said}", *([] if exact is None else [f"{exact:.0%} of pairs equal"])]
