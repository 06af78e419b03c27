"""What a scorecard means for a user, in two plain sentences: does the persona matter for solving, and is it played?"""

from __future__ import annotations

from permix.evaluation.scorecard import Scorecard


def meaning(label: str, card: Scorecard) -> str:
    """Both sentences, with the figures they stand on."""
    return f"{label}: {_solving(card)} {_playing(card)}"


def _solving(card: Scorecard) -> str:
    s = card.stability
    if s.best.value == 0:
        return "It solves nothing, so nothing can be said of personas."
    figures = f"PSS {s.pss.value:.3f}, and {s.noise_floor.low:.3f} to {s.noise_floor.high:.3f} if no persona mattered"
    if s.pss.value < s.noise_floor.low:
        return f"The persona matters for whether it solves a problem ({figures})."
    return f"No effect of the persona on solving is shown ({figures})."


def _playing(card: Scorecard) -> str:
    of = card.fidelity.attribution
    if of is not None:
        figures = f"{of.attribution.value:.0%} of its replies are recognised, {of.chance:.0%} by chance"
        if of.recites:
            return f"It recites its personas' prompts rather than plays them ({figures})."
        if of.attribution.low > of.chance:
            return f"It plays its personas ({figures})."
        return f"That it plays its personas is not shown ({figures})."
    roleplay = card.fidelity.roleplay
    if roleplay is None:
        return "Whether it plays its personas was not measured."
    return f"Its fidelity in role-play is {roleplay.value:.3f} of 1 ({card.fidelity.judge})."
