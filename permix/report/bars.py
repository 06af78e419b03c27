"""Accuracy by persona as HTML: a bar a model with its interval, and a line where the model stands without a persona."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from markupsafe import Markup

from permix.evaluation.scorecard import PersonaScore, Scorecard
from permix.report.template import render
from permix.report.words import kind_name, persona_name
from permix.statistics.value import Estimate

LONGEST = 60
"""So many characters of a persona's prompt name it in the chart; the whole prompt shows when it is pointed at."""


@dataclass(frozen=True)
class Bar:
    """One persona under one model."""

    colour: int
    """Number of the model's colour."""
    accuracy: Estimate
    mark: str
    """`worst` or `best`, where the persona is that of the model; else empty."""


@dataclass(frozen=True)
class Row:
    """One persona."""

    name: str
    text: str
    bars: tuple[Bar, ...]


def bars(scorecards: Mapping[str, Scorecard]) -> Markup:
    """The chart; scorecards by the model's label. Raises ValueError if their personas differ."""
    cards = list(scorecards.values())
    personas = cards[-1].personas
    if any({p.id for p in card.personas} != {p.id for p in personas} for card in cards):
        raise ValueError("the models were asked under different personas; evaluate them with one profile")
    kinds: dict[str, list[Row]] = {}
    for persona in personas:
        kinds.setdefault(kind_name(persona.kind), []).append(_row(persona, cards))
    return render(
        "bars",
        kinds=kinds,
        models=[
            {"label": label, "colour": colour(m, len(cards)), "neutral": card.stability.neutral.value}
            for m, (label, card) in enumerate(scorecards.items())
        ],
    )


def colour(place: int, models: int) -> int:
    """Number of the colour of the model in this place: the first of several is grey, a lone one is not."""
    return 1 if models == 1 else place


def _row(persona: PersonaScore, cards: list[Scorecard]) -> Row:
    marks = {"worst": "worst_persona", "best": "best_persona"}
    return Row(
        persona_name(persona.id, persona.text, LONGEST),
        persona.text,
        tuple(
            Bar(
                colour(m, len(cards)),
                card.persona(persona.id).accuracy,
                next((mark for mark, field in marks.items() if getattr(card.stability, field) == persona.id), ""),
            )
            for m, card in enumerate(cards)
        ),
    )
