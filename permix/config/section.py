"""What every part of the profile is: frozen, and strict about its keys."""

from __future__ import annotations

from pydantic import BaseModel, BeforeValidator, ConfigDict

SOURCE_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
"""What ids and MLflow's metric names may hold."""


class Section(BaseModel):
    """A frozen part of the profile; unknown keys fail."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


YAML_OFF = BeforeValidator(lambda value: "off" if value is False else value)
"""For a field that may be `off`, which YAML reads as false."""
