"""A profile whose whole chain takes a minute, most of it imports."""

from __future__ import annotations

from typing import Any

from permix.config import EvaluationSettings, OrganismSettings, Profile, PromotionSettings, TrainingSettings


def tiny(name: str, seed: int = 0, **promotion: Any) -> dict[str, Any]:
    """The smallest real chain, as a deployment's parameter; its models and experiment are called `name`."""
    profile = Profile(
        name=name,
        seed=seed,
        organism=OrganismSettings(hidden_size=32, layers=1, heads=2, steps=60, batch_size=16),
        training=TrainingSettings(steps=2, problems_per_step=2, group_size=2),
        evaluation=EvaluationSettings(problems=4, samples=1, roleplay_questions=1, resamples=50),
        promotion=PromotionSettings(registered_model=f"permix-{name}", gate="dry_run", **promotion),
    )
    return profile.model_dump(mode="json")
