"""What figures are made of: frozen values, and estimates with an interval."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, model_validator


class Value(BaseModel):
    """A frozen part of the scorecard; unknown keys fail."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Estimate(Value):
    """A figure and its interval."""

    value: float
    """Measured on the whole sample."""
    low: float
    """Lower end of the interval, at the scorecard's confidence."""
    high: float
    """Upper end. The interval allows for the bias of a minimum or maximum, so the value may be at one of its ends."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.low <= self.value <= self.high:
            raise ValueError(f"the interval {self.low} to {self.high} does not hold the value {self.value}")
        return self
