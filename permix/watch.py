"""Has a champion become worse than it was when it was registered?

A figure has fallen where its fresh interval lies wholly below the registered one: of two honest measurements of an
unchanged model whose errors are alike that happens about once in 350 times at 95 %, where asking only whether the fresh
value is below the registered interval would cry wolf once in twelve.
"""

from __future__ import annotations

from dataclasses import dataclass

from permix.evaluation.scorecard import Scorecard

WATCHED = ("pss", "fidelity", "neutral", "worst")
"""Names as in Scorecard.metrics()."""


@dataclass(frozen=True)
class Fall:
    """A figure that has fallen beyond its interval."""

    figure: str
    on: str
    """What was asked: `fresh problems`, or `your personas`."""
    registered: tuple[float, float, float]
    """Value, low, high."""
    fresh: tuple[float, float, float]

    @property
    def sentence(self) -> str:
        """For a person."""
        (was, low, high), (value, fresh_low, fresh_high) = self.registered, self.fresh
        return (
            f"{self.figure} on {self.on} is {value:.3f} ({fresh_low:.3f} to {fresh_high:.3f}); "
            f"it was registered with {was:.3f} ({low:.3f} to {high:.3f})"
        )


def fallen(registered: Scorecard, fresh: Scorecard, on: str) -> list[Fall]:
    """The watched figures, measured in both, that have fallen."""
    before, now = registered.metrics(), fresh.metrics()
    falls = []
    for figure in WATCHED:
        if figure in before and figure in now and now[f"{figure}_high"] < before[f"{figure}_low"]:
            falls.append(Fall(figure, on, _triple(before, figure), _triple(now, figure)))
    return falls


def _triple(metrics: dict[str, float], figure: str) -> tuple[float, float, float]:
    return metrics[figure], metrics[f"{figure}_low"], metrics[f"{figure}_high"]
