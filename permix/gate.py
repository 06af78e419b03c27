"""The gate: may this candidate become the champion?

Three figures are asked about: neutral accuracy, PSS and fidelity in role-play. Each must reach its floor, and must not
be inferior to the champion's: the candidate is behind by no more than `margin`, with the `probability` that the profile
asks for (of PSS and fidelity the profile may ask that they be better). The comparison is paired: both were asked the
same problems under the same personas. The first model of a name has no champion: floors only.

A figure that was not measured does not pass by silence. It fails, unless its floor is 0, which says that nothing is
asked of it; the decision then says so. Where only the champion lacks it, there is nothing to fall behind.

A training whose best policy is its base model brought nothing, and its candidate does not pass, whatever its figures.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from permix.config import PromotionSettings
from permix.evaluation.scorecard import Scorecard
from permix.stability.answered import form_warning
from permix.statistics.difference import Difference

# Shares of a few hundred completions: a difference below this is rounding, never evidence.
ROUNDING = 1e-9
VETOES = {"rejected", "withdrawn"}
"""Reasons that a person gave; no mode of the gate goes over them."""
LABELS = {"neutral_accuracy": "Neutral accuracy", "pss": "PSS", "fidelity": "Fidelity"}


@dataclass(frozen=True)
class Reason:
    """One condition, and how the candidate stands to it."""

    name: str
    """`pss.floor`, `pss.champion`, ...; `training`: it brought nothing; `gate`: the gate is off; `rejected`,
    `withdrawn`: what people said before."""
    value: float | None
    """The candidate's figure; for a comparison the least that the difference is, with the probability asked for, or
    the probability of being better; None: not measured, or none is meant."""
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
    warnings: tuple[str, ...] = ()
    """What a reader of the figures should know; none of them decides."""

    @property
    def summary(self) -> str:
        """One line: passed, or what failed."""
        failed = [reason.sentence for reason in self.reasons if not reason.passed]
        return "passed: every condition holds" if self.passed else f"not passed: {' '.join(failed)}"


OFF = Decision(True, (Reason("gate", None, None, True, "The gate is off (promotion.gate): nothing was asked."),))


def decide(
    candidate: Scorecard,
    differences: Mapping[str, Difference] | None,
    settings: PromotionSettings,
    base: Scorecard | None = None,
) -> Decision:
    """Hold a candidate against the floors, and against the champion where there is one.

    `differences` are `permix.evaluation.paired.compare`'s, candidate less champion, at `coverage(settings)`; None
    where there is no champion. `base` is the base model's scorecard: where fidelity is attribution, the candidate must
    keep a share of what the base has, in place of the absolute floor.
    """
    floors = {
        "neutral_accuracy": settings.min_neutral_accuracy,
        "pss": settings.min_pss,
        "fidelity": settings.min_fidelity,
    }
    asked = {"neutral_accuracy": "not_inferior", "pss": settings.pss, "fidelity": settings.fidelity}
    measured = _figures(candidate)
    kept = _attribution_kept(candidate, base, settings)
    if kept is not None:
        floors["fidelity"] = kept.threshold or 0.0
    reasons = [
        kept if name == "fidelity" and kept is not None else _floor(name, measured[name], floor)
        for name, floor in floors.items()
    ]
    if differences is not None:
        for name, floor in floors.items():
            if measured[name] is None:
                reasons.append(_unmeasured(f"{name}.champion", LABELS[name], floor))
            elif name not in differences:
                reasons.append(_incomparable(name, measured[name]))
            elif asked[name] == "better":
                reasons.append(_better(name, differences[name], settings))
            else:
                reasons.append(_not_inferior(name, differences[name], settings))
    form = form_warning(candidate.answered)
    said = () if form is None else (f"Of the candidate, {form}",)
    return Decision(all(reason.passed for reason in reasons), tuple(reasons), said)


def with_training(decision: Decision, made: Mapping[str, Any]) -> Decision:
    """The decision, and a reason against a candidate that is its own base model.

    `made` is the manifest of the policy: `kept_step` and `kept_why` tell which of its policies a training kept.
    A model that no training made has neither, and is judged by its figures alone.
    """
    if made.get("kept_step") != 0:
        return decision
    kept = "the policy that was kept is that of step 0, the base model itself"
    sentence = f"Training brought nothing: {kept} ({made['kept_why']})."
    reason = Reason("training", 0, 1, False, sentence)
    return replace(decision, passed=False, reasons=(reason, *decision.reasons))


def coverage(settings: PromotionSettings) -> float:
    """The coverage of two-sided intervals whose lower end is passed with the probability that the gate asks for."""
    return 2 * settings.probability - 1


def promotes(decision: Decision, mode: str) -> bool:
    """Whether the candidate goes on: `enforce` asks for everything, the other modes only that no person said no."""
    return all(reason.passed for reason in decision.reasons if mode == "enforce" or reason.name in VETOES)


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


def _attribution_kept(candidate: Scorecard, base: Scorecard | None, settings: PromotionSettings) -> Reason | None:
    """What became of the base's attribution; None where fidelity is no attribution, or the base's is another."""
    mine = candidate.fidelity.attribution
    theirs = None if base is None or base.protocol != candidate.protocol else base.fidelity.attribution
    if mine is None or theirs is None:
        return None
    value, had = mine.attribution.value, theirs.attribution.value
    floor = settings.min_attribution_kept * had
    passed = value >= floor - ROUNDING
    sentence = (
        f"Fidelity (attribution) {value:.3f} {'keeps' if passed else 'does not keep'} "
        f"{settings.min_attribution_kept:.0%} of the base's {had:.3f}, which is {floor:.3f}."
    )
    return Reason("fidelity.floor", value, floor, passed, sentence)


def _not_inferior(name: str, found: Difference, settings: PromotionSettings) -> Reason:
    passed = found.low >= -settings.margin - ROUNDING
    sentence = (
        f"{_beside(name, found)}; with probability {settings.probability:g} it is at least {found.low:+.3f}, "
        f"{'not' if passed else 'possibly'} below the margin of {-settings.margin:+.3f}."
    )
    return Reason(f"{name}.champion", found.low, -settings.margin, passed, sentence)


def _better(name: str, found: Difference, settings: PromotionSettings) -> Reason:
    passed = found.probability >= settings.probability - ROUNDING
    sentence = (
        f"{_beside(name, found)}; it is better with probability {found.probability:.3f}, "
        f"{'as' if passed else 'and not with the'} {settings.probability:g} {'or more is ' if passed else 'that is '}"
        "asked."
    )
    return Reason(f"{name}.champion", found.probability, settings.probability, passed, sentence)


def _beside(name: str, found: Difference) -> str:
    figures = f"{found.candidate:.3f}, the champion's {found.reference:.3f}: difference {found.difference:+.3f}"
    return f"{LABELS[name]} {figures}"


def _incomparable(name: str, value: float | None) -> Reason:
    sentence = f"{LABELS[name]} was not measured on the champion: no comparison."
    return Reason(f"{name}.champion", value, None, True, sentence)


def _unmeasured(name: str, label: str, floor: float) -> Reason:
    waived = floor == 0
    sentence = (
        f"{label} was not measured; its floor is 0, so nothing is asked of it."
        if waived
        else f"{label} was not measured, so it cannot pass; measure it, or set its floor to 0 to ask nothing of it."
    )
    return Reason(name, None, floor, waived, sentence)
