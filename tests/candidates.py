"""Candidates for the registry: a small real checkpoint with a given scorecard, as the stages leave them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flows.evaluate import Evaluated
from permix.config import OrganismSettings
from permix.evaluation.scorecard import Scorecard, write_scorecard
from permix.organism.base import train_base
from permix.reference import finish
from permix.workspace import workspace
from tasks.registry import Candidate
from tasks.stage import StageResult


def tiny_policy(directory: Path) -> Path:
    """The smallest organism, hardly trained: 2 s."""
    train_base(OrganismSettings(hidden_size=32, layers=1, heads=2, steps=60, batch_size=16), 0, directory)
    return directory


def evaluated(weights: Path, card: Scorecard, name: str) -> Evaluated:
    """What an evaluation hands on: stages of the candidate called `name`, whose scorecard is given."""
    policy = _stage("training", name, lambda directory: shutil.copytree(weights, directory / "policy"))
    return Evaluated(
        scorecards={"candidate": _stage("evaluation", name, lambda directory: write_scorecard(card, directory))},
        problems=_stage("problems", name),
        personas=_stage("personas", name),
        models={"candidate": policy},
    )


def candidate(weights: Path, card: Scorecard, name: str) -> Candidate:
    """The same, for the registry."""
    found = evaluated(weights, card, name)
    return Candidate(found.models["candidate"], found.scorecards["candidate"], found.problems, found.personas)


def _stage(kind: str, name: str, fill: Callable[[Path], Any] = lambda directory: None) -> StageResult:
    directory = workspace() / kind / name
    directory.mkdir(parents=True)
    fill(directory)
    reference = finish(directory)
    return StageResult(stage=kind, path=reference.path, digest=reference.digest, mlflow_run_id=f"run-of-{kind}")
