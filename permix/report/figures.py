"""The figures of a scorecard in the order in which reports show them: names for people, and their definitions.

A definition is the docstring of the scorecard's field, so that a report, the JSON schema and the code say the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from permix.evaluation.scorecard import Paraphrases, Scorecard
from permix.fidelity.figures import Fidelity
from permix.stability.answered import Answered
from permix.stability.panel import Stability
from permix.statistics.value import Estimate, Value


@dataclass(frozen=True)
class Figure:
    """One figure of a scorecard."""

    title: str
    read: Callable[[Scorecard], Estimate | float | None]
    """From a scorecard; None: not measured."""
    definition: str
    paired: str | None = None
    """Its name in `permix.evaluation.paired.compare`; None where that does not compare it."""
    headline: bool = False
    """Whether it belongs to the few that are looked at first."""


def definition(model: type[Value], field: str) -> str:
    """The docstring of a field as one line; raises ValueError where it has none."""
    text = model.model_fields[field].description
    if not text:
        raise ValueError(f"{model.__name__}.{field} has no docstring, so no report can say what it is")
    return " ".join(text.split())


def _stability(field: str, title: str, paired: str | None = None, headline: bool = False) -> Figure:
    return Figure(title, lambda card: getattr(card.stability, field), definition(Stability, field), paired, headline)


def _answered(field: str, title: str) -> Figure:
    def read(card: Scorecard) -> Estimate | None:
        value: Estimate | None = None if card.answered is None else getattr(card.answered, field)
        return value

    return Figure(title, read, definition(Answered, field))


def _among(field: str, title: str) -> Figure:
    def read(card: Scorecard) -> Estimate | None:
        among = None if card.answered is None else card.answered.among
        value: Estimate | None = None if among is None else getattr(among, field)
        return value

    return Figure(title, read, f"{definition(Stability, field)} Of the completions in which an answer was found.")


def _fidelity(field: str, title: str, paired: str, headline: bool) -> Figure:
    return Figure(title, lambda card: getattr(card.fidelity, field), definition(Fidelity, field), paired, headline)


FIGURES: tuple[Figure, ...] = (
    _stability("pss", "PSS", "pss", headline=True),
    _stability("noise_floor", "PSS if no persona mattered"),
    Figure(
        "PSS over paraphrases",
        lambda card: None if card.paraphrases is None else card.paraphrases.pss,
        " ".join((definition(Paraphrases, "pss"), "Of other wordings of the neutral prompt, without any persona.")),
    ),
    _fidelity("roleplay", "Fidelity in role-play", "fidelity", headline=True),
    _fidelity("solving", "Fidelity while solving", "fidelity_solving", headline=True),
    _stability("neutral", "Neutral accuracy", "neutral_accuracy", headline=True),
    _answered("mean", "Answered"),
    _answered("neutral", "Answered without a persona"),
    _answered("worst", "Answered under the worst persona"),
    _among("pss", "PSS among the answered"),
    _among("neutral", "Neutral accuracy among the answered"),
    _among("mean", "Mean accuracy among the answered"),
    Figure("Neutral accuracy, greedy", lambda card: card.neutral_greedy, definition(Scorecard, "neutral_greedy")),
    _stability("mean", "Mean accuracy over personas", "mean_accuracy"),
    _stability("worst", "Worst persona's accuracy", "worst_accuracy"),
    _stability("best", "Best persona's accuracy"),
    _stability("best_minus_worst", "Best − worst"),
    _stability("worst_minus_neutral", "Worst − neutral"),
    _stability("all_over_any", "Solved under all / any"),
    _stability("prompt_sensi_score", "PromptSensiScore (lower is better)"),
    _stability("sat", "Sat"),
    _stability("cps", "CPS"),
)
