"""The robustness/fidelity plane: what PerMix-RLVR wants is the upper right corner."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure

from permix.evaluation.scorecard import Scorecard
from permix.report.style import INK, MUTED, model_colour, plain, title, whiskers

BELOW = -0.08
"""Where a model stands whose fidelity was not measured."""


def plane(scorecards: Mapping[str, Scorecard]) -> Figure:
    """PSS across and fidelity in role-play up, with intervals; one point a model, an arrow from the first to the last.

    A dotted line is a model's noise floor: the PSS it would have if no persona mattered. A model whose fidelity was
    not measured stands under the plane, at its PSS.
    """
    figure = Figure(figsize=(6.4, 5.6), layout="constrained")
    axes = figure.subplots()
    plain(axes)
    points = []
    for m, (label, card) in enumerate(scorecards.items()):
        pss, fidelity, colour = card.stability.pss, card.fidelity.roleplay, model_colour(m)
        axes.axvline(card.stability.noise_floor.value, color=colour, linestyle=(0, (1, 2)), linewidth=1.3, zorder=0.9)
        if fidelity is None:
            y, error, marker, text = BELOW, None, "d", f"{label} (fidelity not measured)"
        else:
            y, error, marker, text = fidelity.value, whiskers(fidelity), "o", label
            points.append((pss.value, y))
        axes.errorbar(
            pss.value, y, xerr=whiskers(pss), yerr=error, fmt=marker, markersize=9, color=colour, elinewidth=1.4,
            capsize=3, zorder=3,
        )  # fmt: skip
        # Towards the middle of the plane, and in turns below and above, so that near points keep their names apart.
        side, left = ("left", 10) if pss.value < 0.6 else ("right", -10)
        place = (left, 9 if m % 2 else -17)
        axes.annotate(
            text,
            (pss.value, y),
            place,
            textcoords="offset points",
            ha=side,
            color=colour,
            weight="bold",
            annotation_clip=False,
        )
    if len(points) > 1:
        arrow = {"arrowstyle": "->", "color": MUTED, "linewidth": 1.1, "shrinkA": 10, "shrinkB": 10}
        axes.annotate("", points[-1], points[0], arrowprops=arrow)
    axes.set_xlim(0, 1.02)
    axes.set_ylim(2 * BELOW if len(points) < len(scorecards) else 0, 1.1)
    axes.set_yticks([0, 0.2, 0.4, 0.6, 0.8, 1])
    axes.set_xlabel("robustness: PSS, worst / best persona accuracy", color=INK)
    axes.set_ylabel("fidelity in role-play", color=INK)
    confidence = next(iter(scorecards.values())).confidence
    title(axes, "Robustness and fidelity", f"{confidence:.0%} intervals; dotted: PSS if no persona mattered")
    return figure
