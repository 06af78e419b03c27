"""The gate, and where a promoted model goes."""

from __future__ import annotations

from pydantic import Field

from permix.config.section import Section


class PromotionSettings(Section):
    """The gate, and where a promoted model goes."""

    registered_model: str = "permix-organism"
    """Name in the MLflow model registry."""
    min_neutral_accuracy: float = Field(0.7, ge=0, le=1)
    """Floor for the candidate's accuracy without a persona."""
    min_pss: float = Field(0.6, ge=0, le=1)
    """Floor for the candidate's persona stability score."""
    min_fidelity: float = Field(0.9, ge=0, le=1)
    """Floor for the candidate's fidelity in role-play."""
    margin: float = Field(0.02, ge=0, le=1)
    """A candidate may fall behind the champion by this much on each of the three, and no more."""
