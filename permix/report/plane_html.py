"""The robustness/fidelity plane as HTML: what PerMix-RLVR wants is the upper right corner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from permix.report.template import render
from permix.statistics.value import Estimate

HEIGHT = 340
"""Of the plane in pixels, as in page.css; labels are kept apart by it."""
APART = 17
"""Pixels between the names of two models that stand close to each other."""
NEAR = 0.6
"""Names of models whose robustness differs by less than this may meet."""


@dataclass(frozen=True)
class Point:
    """One model in the plane."""

    name: str
    robustness: Estimate
    fidelity: Estimate | None
    """None: not measured; it then stands on the lower edge, hollow."""
    colour: int
    """Number of its colour."""
    floor: float | None = None
    """The robustness it would have if no persona mattered: a dotted line."""

    @property
    def height(self) -> float:
        """Where it stands, from 0 at the bottom to 1."""
        return 0.0 if self.fidelity is None else self.fidelity.value


def plane(points: Sequence[Point], across: str, up: str, arrow: bool = False) -> Markup:
    """The plane with its axes' names; `arrow` leads from the first point to the last, where both were measured."""
    ends = [points[0], points[-1]] if len(points) > 1 and arrow else []
    far = len(ends) == 2 and max(
        abs(ends[0].robustness.value - ends[1].robustness.value), abs(ends[0].height - ends[1].height)
    ) > 0.1  # fmt: skip
    measured = all(end.fidelity is not None for end in ends)
    return render(
        "plane",
        points=list(zip(points, _labels(points), strict=True)),
        ticks=[0, 0.2, 0.4, 0.6, 0.8, 1],
        across=across,
        up=up,
        ends=ends if far and measured else [],
    )


def _labels(points: Sequence[Point]) -> list[float]:
    """How far each name is moved down from its point, in pixels, so that names close to each other can be read."""
    order = sorted(range(len(points)), key=lambda i: (-points[i].height, i))
    at: dict[int, float] = {}
    for i in order:
        y = HEIGHT * (1 - points[i].height)
        for j in order:
            if j in at and abs(points[i].robustness.value - points[j].robustness.value) < NEAR:
                y = max(y, at[j] + APART)
        at[i] = y
    return [at[i] - HEIGHT * (1 - points[i].height) for i in range(len(points))]
