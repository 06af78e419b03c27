"""HTML from the templates beside this file. What a model or a profile says can never become markup: it is escaped."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from permix.statistics.difference import Difference

TEMPLATES = Path(__file__).parent / "templates"


def render(name: str, **values: Any) -> Markup:
    """Fill the template `name`.html; a value that it names and that is missing is an error."""
    return Markup(_environment().get_template(f"{name}.html").render(**values))


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": percent, "share": share, "probability": probability, "signed": signed}
    return environment


def percent(value: float) -> str:
    """A share as a length in CSS and SVG: 0.5 is `50.00%`."""
    return f"{100 * value:.2f}%"


def share(value: float | None) -> str:
    """A share for a person: three digits, or that it was not measured."""
    return "not measured" if value is None else f"{value:.3f}".replace("-", "−")


def signed(difference: float) -> str:
    """A difference with its sign, a real minus among them."""
    return f"{difference:+.3f}".replace("-", "−")


def probability(difference: Difference) -> str:
    """Of being higher. Resamples are finite, so it is never said to be 0 or 1."""
    p = difference.probability
    return "> 0.999" if p > 0.999 else "< 0.001" if p < 0.001 else f"{p:.3f}"
