"""Stage: one cell of a study, in a thread of its own; and what the study found, for MLflow and Prefect."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.context import TaskRunContext

from permix.config import digest
from permix.evaluation.scorecard import read_scorecard
from permix.personas import load_personas
from permix.reference import finish
from permix.report.study_figures import study_figures
from permix.report.study_page import STUDY_REPORT, study_page
from permix.report.study_table import study_markdown
from permix.study.cells import BASE, Cell
from permix.study.drift import measure_drift
from permix.study.results import Measured, Study, write_study
from permix.workspace import workspace
from tasks.evaluation import evaluate_policy
from tasks.given import checkpoint
from tasks.stage import STAGE_OPTIONS, StageResult, code_digest, run_stage
from tasks.tracking import tracked_stage
from tasks.training import train_policy

TABLES = "study.md"
DRIFT = "drift.json"


@dataclass(frozen=True)
class CellResult:
    """What the stages of one cell made."""

    policy: StageResult
    """The base model for `base`."""
    evaluation: StageResult
    drift: StageResult | None
    """None for `base`."""


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
) -> CellResult:
    """Train and evaluate one cell, and measure how far it went from its base.

    MLflow's active run is one of a thread, so the cell opens its own under the study's.
    """
    with mlflow.start_run(run_name=label, parent_run_id=parent_run_id):
        mlflow.set_tags({"permix.study.arm": cell.name, "permix.study.seed": cell.seed, "permix.study.part": cell.part})
        trained = cell.name != BASE
        policy = run_stage(train_policy, cell.profile, base, problems, personas, teacher) if trained else base
        evaluation = run_stage(evaluate_policy, cell.profile, policy, problems, personas, label)
        drift = run_stage(measure_policy_drift, policy, base, evaluation, personas) if trained else None
        return CellResult(policy, evaluation, drift)


def drift_key(policy: StageResult, base: StageResult, evaluation: StageResult, personas: StageResult) -> str:
    """Digest of what a drift depends on."""
    return digest("drift", [given.digest for given in (policy, base, evaluation, personas)], code_digest("study"))


def _key(_: TaskRunContext, arguments: dict[str, Any]) -> str:
    return drift_key(**arguments)


@task(name="measure drift", cache_key_fn=_key, **STAGE_OPTIONS)
def measure_policy_drift(
    policy: StageResult, base: StageResult, evaluation: StageResult, personas: StageResult
) -> StageResult:
    """How far a policy has gone from its base, by what it was asked, into `drift/<key12>` of the workspace."""
    directory = workspace() / "drift" / drift_key(policy, base, evaluation, personas)[:12]
    with tracked_stage("drift") as run_id:
        asked = {persona.id: persona.text for persona in load_personas(Path(personas.path), "eval")}
        drift = measure_drift(checkpoint(policy), checkpoint(base), Path(evaluation.path), asked)
        mlflow.log_metrics({f"kl {context.replace(',', '')}": value for context, value in drift.items()})
        directory.mkdir(parents=True, exist_ok=True)
        (directory / DRIFT).write_text(json.dumps(drift, indent=1) + "\n", encoding="utf-8")
        reference = finish(directory)
        return StageResult(stage="drift", path=reference.path, digest=reference.digest, mlflow_run_id=run_id)


def measured(cell: Cell, result: CellResult) -> Measured:
    """A cell with what its stages found."""
    drift = {} if result.drift is None else json.loads((Path(result.drift.path) / DRIFT).read_text(encoding="utf-8"))
    return Measured(cell, read_scorecard(result.evaluation.path), result.evaluation.path, drift)


def share_cores(jobs: int) -> None:
    """Trainings started from here on share the cores: PyTorch's threads would fight over them otherwise."""
    os.environ["OMP_NUM_THREADS"] = str(max(1, (os.cpu_count() or 1) // jobs))


@task(name="report study")
def report_study(found: Study, curves: Sequence[tuple[str, int, Path]], directory: Path) -> None:
    """study.json, its tables, figures and page into the directory, the active MLflow run and Prefect's artifacts.

    `curves` are the trainings: arm, seed and the file of their progress.
    """
    write_study(found, directory)
    markdown = study_markdown(found)
    (directory / TABLES).write_text(markdown, encoding="utf-8")
    figures = study_figures(found, curves)
    for name, figure in figures.items():
        figure.savefig(directory / f"{name}.png", dpi=130)
    (directory / STUDY_REPORT).write_text(study_page(found, figures), encoding="utf-8")
    mlflow.log_artifacts(str(directory), "study")
    mlflow.log_metrics({name: difference.difference for name, difference in found.comparisons.items()})
    create_markdown_artifact(markdown, key="study", description=f"The study on profile {found.profile}")
