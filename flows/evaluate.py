"""Flow: scorecards of the profile's base model and trained policy, side by side; or of one given model.

python -m flows.evaluate PROFILE_JSON_FILE [MODEL_DIRECTORY]      (`permix evaluate --profile NAME` does this)
"""

from __future__ import annotations

from dataclasses import dataclass

from prefect import flow
from rich.console import Console

from flows.command import run_as_command
from flows.curate import curate
from flows.train import Trained, train
from permix.config import Profile
from permix.evaluation.scorecard import read_scorecard
from permix.report.table import comparison_table
from tasks.evaluation import evaluate_policy, given_model, report_comparison
from tasks.stage import StageResult, run_stage
from tasks.tracking import tracked_flow


@dataclass(frozen=True)
class Evaluated:
    """What was measured, and on what."""

    scorecards: dict[str, StageResult]
    """By label: `base` and `candidate`, or `model`; scorecard.json and completions.parquet are in the directory."""
    problems: StageResult
    personas: StageResult
    models: dict[str, StageResult]
    """What was measured, by the same labels."""


@flow(name="evaluate")
def evaluate(profile: Profile = Profile(), model: str | None = None, trained: Trained | None = None) -> Evaluated:  # noqa: B008 - frozen
    """Stability and fidelity of the base and the trained policy, after what they need; or of a model directory."""
    with tracked_flow(profile):
        if model is None:
            trained = trained or train(profile)
            models = {"base": trained.base, "candidate": trained.policy}
            problems, personas = trained.problems, trained.personas
        else:
            curated = curate(profile)
            models = {"model": given_model(model)}
            problems, personas = curated.problems, curated.personas
        scorecards = {
            label: run_stage(evaluate_policy, profile, policy, problems, personas, label)
            for label, policy in models.items()
        }
        report_comparison(scorecards)
    return Evaluated(scorecards, problems, personas, models)


if __name__ == "__main__":
    evaluated = run_as_command(evaluate)
    cards = {label: read_scorecard(result.path) for label, result in evaluated.scorecards.items()}
    Console().print(comparison_table(cards, "Evaluation"))
    for label, result in evaluated.scorecards.items():
        print(f"{label}: {result.path}")
