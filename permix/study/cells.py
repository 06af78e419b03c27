"""Cells of a study: one model each, by name, seed and the profile that makes it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Literal

from pydantic import JsonValue

from permix.config import Profile, with_overrides

Part = Literal["arms", "ablations", "map"]
BASE = "base"


@dataclass(frozen=True)
class Cell:
    """One model of a study."""

    part: Part
    name: str
    """The arm or ablation; `base` is the untrained model."""
    seed: int
    profile: Profile
    """The whole profile that makes it; for `base`, its training section says nothing."""

    @property
    def label(self) -> str:
        """Name for people and for Prefect: lower-case letters, digits and dashes."""
        training = self.profile.training
        where = f"-lr{training.learning_rate:g}-kl{training.kl:g}-steps{training.steps}" if self.part == "map" else ""
        return f"{self.name}{where}-seed{self.seed}".replace("_", "-").replace(".", "p")


def base_cells(profile: Profile, cells: list[Cell]) -> list[Cell]:
    """The base model of every seed that the cells need."""
    return [
        Cell("arms", BASE, seed, with_overrides(profile, {"seed": seed}))
        for seed in dict.fromkeys(cell.seed for cell in cells)
    ]


def arm_cells(profile: Profile) -> list[Cell]:
    """Every arm over the study's seeds, a seed at a time, so that a study that is stopped has whole seeds."""
    study = profile.study
    return [
        Cell("arms", name, seed, with_overrides(profile, {"seed": seed, **changes}))
        for seed in study.seeds
        for name, changes in study.arms.items()
    ]


def ablation_cells(profile: Profile) -> list[Cell]:
    """Every ablation of the permix arm, and the permix arm itself, over the ablations' seeds."""
    study = profile.study
    permix = study.arms[study.permix]
    variants: dict[str, dict[str, JsonValue]] = {study.permix: {}, **study.ablations}
    return [
        Cell("ablations", name, seed, with_overrides(profile, {"seed": seed, **permix, **changes}))
        for seed in study.ablation_seeds
        for name, changes in variants.items()
    ]


def map_cells(profile: Profile) -> list[Cell]:
    """The mapped arms over learning rate × KL weight × steps."""
    study = profile.study
    points = product(study.map_seeds, study.map_learning_rates, study.map_kls, study.map_steps, study.map_arms)
    return [
        Cell(
            "map",
            arm,
            seed,
            with_overrides(
                profile,
                {
                    "seed": seed,
                    **study.arms[arm],
                    "training.learning_rate": rate,
                    "training.kl": kl,
                    "training.steps": steps,
                },
            ),
        )
        for seed, rate, kl, steps, arm in points
    ]
