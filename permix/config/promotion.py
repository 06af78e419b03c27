"""The gate, who approves, and where a promoted model goes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from permix.config.section import YAML_OFF, Section


class PromotionSettings(Section):
    """The gate, who approves, and where a promoted model goes."""

    registered_model: str = Field("permix-organism", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    """Name in the MLflow model registry."""
    gate: Annotated[Literal["enforce", "dry_run", "off"], YAML_OFF] = "enforce"
    """`enforce`: who does not pass is not promoted; `dry_run`: the decision is made and recorded, and the candidate
    promoted whatever it is; `off`: nothing is decided, every candidate is promoted."""
    min_neutral_accuracy: float = Field(0.7, ge=0, le=1)
    """Floor for the candidate's accuracy without a persona."""
    min_pss: float = Field(0.6, ge=0, le=1)
    """Floor for the candidate's persona stability score."""
    min_fidelity: float = Field(0.9, ge=0, le=1)
    """Floor for the candidate's fidelity in role-play."""
    min_attribution_kept: float = Field(0.7, ge=0)
    """Where fidelity is attribution, its floor in place of min_fidelity: this share of what the base model has."""
    margin: float = Field(0.05, ge=0, le=1)
    """How far behind the champion still counts as not inferior. docs/operations.md has what it lets through."""
    probability: float = Field(0.9, gt=0.5, lt=1)
    """How sure the comparison with the champion has to be."""
    pss: Literal["better", "not_inferior"] = "not_inferior"
    """What is asked of the candidate's PSS against the champion's."""
    fidelity: Literal["better", "not_inferior"] = "not_inferior"
    """What is asked of the candidate's fidelity against the champion's."""
    approval: Literal["none", "required"] = "none"
    """`required`: a candidate that the gate would promote waits until a person decides, in the Prefect UI or by
    `permix approve` and `permix reject`. It needs a deployed run: a worker takes the run up again afterwards."""
    approval_hours: float = Field(72, gt=0)
    """After this long without an answer, it is no."""
