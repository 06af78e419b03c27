"""Flow: base model, curated sets, and the policy trained on them.

python -m flows.train PROFILE_JSON_FILE      (`permix train --profile NAME` does this)
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from prefect import flow

from flows.curate import curate
from permix.config import Profile
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
def train(profile: Profile = Profile()) -> Trained:  # noqa: B008 - frozen, and the UI shows its defaults as a form
    """Train the profile's policy, after the base model and the sets that it needs; what has not changed is reused."""
    with tracked_flow(profile):
        base = run_stage(make_base, profile)
        curated = curate(profile)
        policy = run_stage(train_policy, profile, base, curated.problems, curated.personas)
    return Trained(base, curated.problems, curated.personas, policy)


if __name__ == "__main__":
    trained = train(Profile.model_validate_json(Path(sys.argv[1]).read_text(encoding="utf-8")))
    print(f"base    {trained.base.path}\npolicy  {trained.policy.reference.file('policy')}")
