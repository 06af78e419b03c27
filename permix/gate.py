"""The gate: may this candidate become the champion?

Three figures are asked about: neutral accuracy, PSS and fidelity in role-play. Each must reach its floor, and must not
be behind the champion's by more than the margin. The first model of a name has no champion: floors only. A candidate
is compared only with a champion that was asked the same in the same way.

A figure that was not measured does not pass by silence. It fails, unless its floor is 0, which says that nothing is
asked of it; the decision then says so. Where only the champion lacks it, there is nothing to fall behind.
"""

from __future__ import annotations

from dataclasses import dataclass

from permix.config import PromotionSettings
from permix.evaluation.scorecard import Scorecard

# Shares of a few hundred completions: a difference below this is rounding, never evidence.
ROUNDING = 1e-9
LABELS = {"neutral_accuracy": "Neutral accuracy", "pss": "PSS", "fidelity": "Fidelity"}


@dataclass(frozen=True)
class Reason:
    """One condition, and how the candidate stands to it."""

    name: str
    """`pss.floor`, `pss.champion`, ...; `protocol` is the comparison itself."""
    value: float | None
    """The candidate's figure; None: not measured, or none is meant."""
    threshold: float | None
    """The least that passes."""
    passed: bool
    sentence: str
    """For a person to read."""


@dataclass(frozen=True)
class Decision:
    """What the gate says, and why."""

    passed: bool
    """Whether every reason passed."""
    reasons: tuple[Reason, ...]

    @property
    def summary(self) -> str:
        """One line: passed, or what failed."""
        failed = [reason.sentence for reason in self.reasons if not reason.passed]
        return "passed: every condition holds" if self.passed else f"not passed: {' '.join(failed)}"


def decide(candidate: Scorecard, champion: Scorecard | None, settings: PromotionSettings) -> Decision:
    """Hold the candidate's scorecard against the floors, and against the champion's where there is one."""
    floors = {
        "neutral_accuracy": settings.min_neutral_accuracy,
        "pss": settings.min_pss,
        "fidelity": settings.min_fidelity,
    }
    measured = _figures(candidate)
    reasons = [_floor(name, measured[name], floor) for name, floor in floors.items()]
    if champion is not None and champion.protocol != candidate.protocol:
        reasons.append(
            Reason(
                "protocol", None, None, False,
                "The champion was asked other questions, or in another way, so the two do not compare; "
                "evaluate the champion again with this profile.",
            )
        )  # fmt: skip
    elif champion is not None:
        theirs = _figures(champion)
        reasons += [_against(name, measured[name], theirs[name], floors[name], settings.margin) for name in floors]
    return Decision(all(reason.passed for reason in reasons), tuple(reasons))


def _figures(scorecard: Scorecard) -> dict[str, float | None]:
    fidelity = scorecard.fidelity.roleplay
    return {
        "neutral_accuracy": scorecard.stability.neutral.value,
        "pss": scorecard.stability.pss.value,
        "fidelity": None if fidelity is None else fidelity.value,
    }


def _floor(name: str, value: float | None, floor: float) -> Reason:
    label = LABELS[name]
    if value is None:
        return _unmeasured(f"{name}.floor", label, floor)
    passed = value >= floor - ROUNDING
    sentence = f"{label} {value:.3f} {'reaches' if passed else 'is under'} the floor of {floor:.3f}."
    return Reason(f"{name}.floor", value, floor, passed, sentence)


def _against(name: str, value: float | None, theirs: float | None, floor: float, margin: float) -> Reason:
    label = LABELS[name]
    if theirs is None:
        return Reason(
            f"{name}.champion", value, None, True, f"{label} was not measured on the champion: no comparison."
        )
    threshold = theirs - margin
    if value is None:
        return _unmeasured(f"{name}.champion", label, floor)
    passed = value >= threshold - ROUNDING
    sentence = (
        f"{label} {value:.3f}, the champion's {theirs:.3f}: "
        f"{'not behind' if passed else 'behind'} by more than the margin of {margin:.3f}."
    )
    return Reason(f"{name}.champion", value, threshold, passed, sentence)


def _unmeasured(name: str, label: str, floor: float) -> Reason:
    waived = floor == 0
    sentence = (
        f"{label} was not measured; its floor is 0, so nothing is asked of it."
        if waived
        else f"{label} was not measured, so it cannot pass; measure it, or set its floor to 0 to ask nothing of it."
    )
    return Reason(name, None, floor, waived, sentence)
