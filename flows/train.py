"""Flow: base model, curated sets, and the policy trained on them.

python -m flows.train PROFILE_JSON_FILE      (`permix train --profile NAME` does this)
"""

from __future__ import annotations

from dataclasses import dataclass

from prefect import flow

from flows.command import run_as_command
from flows.curate import Curated, curate
from permix.config import ModelSettings, Profile
from permix.training.roleplay import roleplay_questions
from tasks.organism import make_base
from tasks.stage import StageResult, run_stage
from tasks.tracking import tracked_flow
from tasks.training import train_policy


@dataclass(frozen=True)
class Trained:
    """A policy and what it came from."""

    base: StageResult
    problems: StageResult
    personas: StageResult
    policy: StageResult
    """`policy/` in its directory is the checkpoint with its tokenizer."""


@flow(name="train")
def train(profile: Profile = Profile(), curated: Curated | None = None) -> Trained:  # noqa: B008 - frozen, and the UI shows its defaults as a form
    """Train the profile's policy, after the base model and the sets that it needs; what has not changed is reused.

    Args:
        profile: Everything a run is made of.
        curated: Sets of an earlier flow; without them, this flow curates.
    """
    roleplay_questions(profile)  # raises before any work
    with tracked_flow(profile):
        curated = curated or curate(profile)
        base = run_stage(make_base, profile)
        policy = run_stage(train_policy, profile, base, curated.problems, curated.personas, make_teacher(profile))
    return Trained(base, curated.problems, curated.personas, policy)


def make_teacher(profile: Profile) -> StageResult | None:
    """The model that writes for the distillation arm, made or fetched as a base is; None where it is the base."""
    if profile.training.arm != "distillation" or profile.training.teacher == "base":
        return None
    return run_stage(make_base, profile.model_copy(update={"model": ModelSettings(base=profile.training.teacher)}))


if __name__ == "__main__":
    trained = run_as_command(train)
    print(f"base    {trained.base.path}\npolicy  {trained.policy.reference.file('policy')}")
