"""What the pictures share: colours, and a plain look.

Figures are made without pyplot, whose global state is not safe in the threads that Prefect runs tasks in.
"""

from __future__ import annotations

import base64
import io

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from permix.statistics.value import Estimate

# Okabe and Ito's palette, which colour-blind readers can tell apart. Other kinds are grey.
KIND_COLOURS = {
    "expert": "#0072B2",
    "everyday": "#009E73",
    "off_domain": "#E69F00",
    "roleplay": "#8E5EA2",
    "adverse": "#D55E00",
}
# One colour a model, in the order given: the base is grey, what came of it is not.
MODEL_COLOURS = ("#8A9097", "#14507A", "#B9770E", "#6C3483")
INK = "#2B2B2B"
MUTED = "#6B6B6B"
FAINT = "#DDDDDD"


def plain(axes: Axes) -> None:
    """No frame, a faint grid behind the data."""
    axes.spines[:].set_visible(False)
    axes.grid(color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, colors=INK)


def title(axes: Axes, text: str, below: str) -> None:
    """A title at the left, and a line under it that says what was measured."""
    axes.set_title(below, loc="left", fontsize=9, color=MUTED, pad=8)
    axes.annotate(
        text,
        (0, 1),
        (0, 24),
        xycoords="axes fraction",
        textcoords="offset points",
        weight="bold",
        fontsize=13,
        color=INK,
    )


def whiskers(estimate: Estimate) -> list[list[float]]:
    """Distances from the value to its interval's ends, as errorbar wants them."""
    return [[estimate.value - estimate.low], [estimate.high - estimate.value]]


def kind_colour(kind: str) -> str:
    """The colour of a kind of persona."""
    return KIND_COLOURS.get(kind, MUTED)


def model_colour(index: int) -> str:
    """The colour of the model with this place in the picture."""
    return MODEL_COLOURS[index % len(MODEL_COLOURS)]


def data_url(figure: Figure, dpi: int = 130) -> str:
    """The picture itself (PNG) as a URL, for pages and artifacts that nothing serves files to."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
