"""Stage: one cell of a study, in a thread of its own; and what the study found, for MLflow and Prefect."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import mlflow
from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from permix.evaluation.scorecard import read_scorecard
from permix.report.study_figures import study_figures
from permix.report.study_table import study_markdown
from permix.study.cells import BASE, Cell
from permix.study.results import Measured, Study, write_study
from tasks.evaluation import evaluate_policy
from tasks.stage import StageResult, run_stage
from tasks.training import train_policy

TABLES = "study.md"


# Its stages are cached; the cell itself only joins them.
@task(name="study cell", task_run_name="{label}", cache_policy=NO_CACHE)
def study_cell(
    cell: Cell,
    label: str,
    base: StageResult,
    problems: StageResult,
    personas: StageResult,
    teacher: StageResult | None,
    parent_run_id: str,
) -> tuple[StageResult, StageResult]:
    """Train and evaluate one cell; returns the policy (the base model for `base`) and its evaluation.

    MLflow's active run is one of a thread, so the cell opens its own under the study's.
    """
    with mlflow.start_run(run_name=label, parent_run_id=parent_run_id):
        mlflow.set_tags({"permix.study.arm": cell.name, "permix.study.seed": cell.seed, "permix.study.part": cell.part})
        trained = cell.name != BASE
        policy = run_stage(train_policy, cell.profile, base, problems, personas, teacher) if trained else base
        return policy, run_stage(evaluate_policy, cell.profile, policy, problems, personas, label)


def measured(cell: Cell, evaluation: StageResult) -> Measured:
    """A cell with the scorecard of its evaluation."""
    return Measured(cell, read_scorecard(evaluation.path), evaluation.path)


def share_cores(jobs: int) -> None:
    """Trainings started from here on share the cores: PyTorch's threads would fight over them otherwise."""
    os.environ["OMP_NUM_THREADS"] = str(max(1, (os.cpu_count() or 1) // jobs))


@task(name="report study")
def report_study(found: Study, curves: Sequence[tuple[str, int, Path]], directory: Path) -> None:
    """study.json, its tables and its figures into the directory, the active MLflow run and Prefect's artifacts.

    `curves` are the trainings: arm, seed and the file of their progress.
    """
    write_study(found, directory)
    markdown = study_markdown(found)
    (directory / TABLES).write_text(markdown, encoding="utf-8")
    for name, figure in study_figures(found, curves).items():
        figure.savefig(directory / f"{name}.png", dpi=130)
    mlflow.log_artifacts(str(directory), "study")
    mlflow.log_metrics({name: difference.difference for name, difference in found.comparisons.items()})
    create_markdown_artifact(markdown, key="study", description=f"The study on profile {found.profile}")
