"""The bar chart by persona: where a persona costs accuracy, and where it no longer does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from permix.evaluation.scorecard import Scorecard
from permix.report.style import INK, kind_colour, model_colour, plain, title, whiskers
from permix.report.words import kind_name, persona_name

# Rows of the chart: space above each kind, for its name.
HEADING = 1.1
PALE = 0.35


def persona_chart(scorecards: Mapping[str, Scorecard]) -> Figure:
    """Accuracy by persona with intervals, grouped and coloured by kind; one bar a model, the last in full colour.

    A dashed line is a model's neutral accuracy. Scorecards are by the model's label; raises ValueError if their
    personas differ.
    """
    cards = list(scorecards.values())
    personas = cards[-1].personas
    if any({p.id for p in card.personas} != {p.id for p in personas} for card in cards):
        raise ValueError("the models were asked under different personas; evaluate them with one profile")
    places, headings = _places([persona.kind for persona in personas])
    figure = Figure(figsize=(8.5, 1.6 + 0.27 * places[-1]), layout="constrained")
    axes = figure.subplots()
    plain(axes)
    axes.grid(visible=False, axis="y")
    height = 0.8 / len(cards)
    for m, card in enumerate(cards):
        alpha = 1.0 if m == len(cards) - 1 else PALE
        axes.axvline(
            card.stability.neutral.value, color=model_colour(m), linestyle=(0, (5, 3)), linewidth=1.4, zorder=0.9
        )
        for place, persona in zip(places, personas, strict=True):
            accuracy = card.persona(persona.id).accuracy
            y = place + (m - (len(cards) - 1) / 2) * height
            axes.barh(y, accuracy.value, height * 0.94, color=kind_colour(persona.kind), alpha=alpha)
            axes.errorbar(
                accuracy.value, y, xerr=whiskers(accuracy), color=INK, elinewidth=0.9, alpha=0.4 + 0.4 * alpha
            )
    for kind, place in headings.items():
        axes.text(0.004, place, kind_name(kind), color=kind_colour(kind), weight="bold", va="center", fontsize=9)
    axes.set_yticks(places, [persona_name(persona.id, persona.text) for persona in personas], fontsize=8.5)
    axes.set_ylim(places[-1] + 0.7, -0.4)
    axes.set_xlim(0, 1.005)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    title(axes, "Accuracy by persona", f"{_size(cards[-1])}; {cards[-1].confidence:.0%} intervals over problems")
    figure.legend(handles=_legend(scorecards), loc="outside lower center", ncols=2, frameon=False, fontsize=9)
    return figure


def _places(kinds: Sequence[str]) -> tuple[list[float], dict[str, float]]:
    """Where each persona's row and each kind's name stand, top to bottom; personas come sorted by kind."""
    places: list[float] = []
    headings: dict[str, float] = {}
    at = 0.0
    for kind in kinds:
        if kind not in headings:
            headings[kind] = at + 0.15
            at += HEADING
        places.append(at)
        at += 1
    return places, headings


def _size(card: Scorecard) -> str:
    samples = "sample" if card.samples == 1 else "samples"
    return f"{card.problems} problems, {'at most ' if card.adaptive else ''}{card.samples} {samples} each"


def _legend(scorecards: Mapping[str, Scorecard]) -> list[Artist]:
    handles: list[Artist] = []
    for m, (label, card) in enumerate(scorecards.items()):
        alpha = 1.0 if m == len(scorecards) - 1 else PALE
        neutral = f"{label}, no persona: {card.stability.neutral.value:.0%}"
        handles.append(Patch(color="#555555", alpha=alpha, label=label))
        handles.append(Line2D([], [], color=model_colour(m), linestyle=(0, (5, 3)), linewidth=1.4, label=neutral))
    return handles
