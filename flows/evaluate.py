"""Flow: scorecards of the profile's base model and trained policy, side by side; or of one given model.

python -m flows.evaluate PROFILE_JSON_FILE [model=MODEL] [served_model=NAME] [out=DIRECTORY]
(`permix evaluate --profile NAME` does this)
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from prefect import flow
from rich.console import Console

from flows.command import run_as_command
from flows.curate import curate
from flows.train import Trained, train
from permix.config import Profile
from permix.evaluation.scorecard import read_scorecard
from permix.report.meaning import meaning
from permix.report.table import comparison_table
from tasks.evaluation import copy_out, evaluate_policy, report_comparison
from tasks.given import given_model, label_of
from tasks.stage import StageResult, run_stage
from tasks.tracking import tracked_flow


@dataclass(frozen=True)
class Evaluated:
    """What was measured, and on what."""

    scorecards: dict[str, StageResult]
    """By label: `base` and `candidate`, or a given model's name; in the directory are scorecard.json, report.html and
    completions.parquet."""
    problems: StageResult
    personas: StageResult
    models: dict[str, StageResult]
    """What was measured, by the same labels."""
    comparison: str | None = None
    """Directory of the page that shows them side by side; None for one model."""


@flow(name="evaluate")
def evaluate(
    profile: Profile = Profile(),  # noqa: B008 - frozen, and the UI shows its defaults as a form
    model: str | None = None,
    served_model: str | None = None,
    out: str | None = None,
    trained: Trained | None = None,
) -> Evaluated:
    """Stability and fidelity of the base and the trained policy, after what they need; or of any one model.

    Args:
        profile: Everything a run is made of.
        model: Any causal LM, trained here or not: a directory, models:/NAME@ALIAS, a Hugging Face id, or a server's
            URL. Then nothing is trained, and no base is needed.
        served_model: The server's name of the model, where it serves several.
        out: Directory that gets a copy of scorecard.json, report.html and completions.parquet.
        trained: What an earlier flow trained; without it, and without a model, this flow trains.
    """
    with tracked_flow(profile):
        if model is None:
            trained = trained or train(profile)
            models = {"base": trained.base, "candidate": trained.policy}
            problems, personas = trained.problems, trained.personas
        else:
            # Before anything else is done: a misspelt name should not cost the curation.
            given = given_model(model, served_model, profile.evaluation.server)
            models = {label_of(model, given): given}
            curated = curate(profile)
            problems, personas = curated.problems, curated.personas
        scorecards = {
            label: run_stage(evaluate_policy, profile, policy, problems, personas, label)
            for label, policy in models.items()
        }
        comparison = report_comparison(scorecards) if len(scorecards) > 1 else None
        if out is not None:
            copy_out(scorecards, comparison, Path(out))
    return Evaluated(scorecards, problems, personas, models, comparison)


if __name__ == "__main__":
    evaluated = run_as_command(evaluate)
    cards = {label: read_scorecard(result.path) for label, result in evaluated.scorecards.items()}
    Console().print(comparison_table(cards, "Evaluation"))
    for label, card in cards.items():
        print(meaning(label, card))
    for label, result in evaluated.scorecards.items():
        print(f"{label}: {result.path}/report.html")
    if evaluated.comparison is not None:
        print(f"side by side: {evaluated.comparison}/report.html")
