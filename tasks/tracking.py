"""MLflow runs: one parent run a flow run, a nested run a stage.

A flow that runs inside another flow logs into that flow's run, so that a whole retrain is one tree.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import mlflow
import prefect.runtime.flow_run
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS, ErrorCode

from permix.config import Profile
from permix.workspace import workspace
from tasks.fan_out import check_installed

FLOW_RUN_TAG = "prefect.flow_run_id"


@contextmanager
def tracked_flow(profile: Profile) -> Iterator[str]:
    """The MLflow run of this flow run; yields its id.

    The outermost flow starts it (or, after a retry or a suspension, takes up the one it had); a subflow gets the same.
    Raises ValueError, before any work, where the profile asks for what is not installed.
    """
    check_installed(profile.fan_out)
    if (active := mlflow.active_run()) is not None:
        yield active.info.run_id
        return
    with tracked_operation(profile.name) as run_id:
        mlflow.set_tag("permix.profile", profile.name)
        mlflow.log_dict(profile.model_dump(mode="json"), "profile.json")
        yield run_id


@contextmanager
def tracked_operation(experiment_name: str) -> Iterator[str]:
    """The MLflow run of a flow run that no profile describes, in the experiment of this name; yields its id."""
    experiment = use_experiment(experiment_name)
    flow_run_id = str(prefect.runtime.flow_run.id)
    name = f"{prefect.runtime.flow_run.flow_name}/{prefect.runtime.flow_run.name}"
    earlier = mlflow.search_runs(
        [experiment], f"tags.`{FLOW_RUN_TAG}` = '{flow_run_id}'", output_format="list", max_results=1
    )
    with mlflow.start_run(
        run_id=earlier[0].info.run_id if earlier else None, run_name=None if earlier else name
    ) as run:
        mlflow.set_tags({FLOW_RUN_TAG: flow_run_id, "permix.commit": git_commit()})
        yield run.info.run_id


@contextmanager
def tracked_stage(stage: str, run_id: str | None = None) -> Iterator[str]:
    """A nested MLflow run for a stage, of a tracked flow; yields its id. With `run_id`, that run goes on."""
    with mlflow.start_run(run_id=run_id, run_name=None if run_id else stage, nested=True) as run:
        mlflow.set_tag("permix.stage", stage)
        yield run.info.run_id


def stage_run(stage: str, **tags: str) -> str | None:
    """The nested run of the active run that a stage with these tags has already had; for flows that are taken up."""
    active = mlflow.active_run()
    assert active is not None, "a stage belongs into a tracked flow"
    wanted = {"mlflow.parentRunId": active.info.run_id, "permix.stage": stage, **tags}
    query = " and ".join(f"tags.`{tag}` = '{value}'" for tag, value in wanted.items())
    found = mlflow.search_runs([active.info.experiment_id], query, output_format="list", max_results=1)
    return str(found[0].info.run_id) if found else None


def use_experiment(name: str) -> str:
    """Select the experiment, made on first use with its artifacts in the workspace; returns its id."""
    found = mlflow.get_experiment_by_name(name)
    if found is None:
        # A server decides where artifacts go. Without one, MLflow's default is ./mlruns of whatever directory this is.
        serverless = mlflow.get_tracking_uri().startswith("sqlite:")
        location = (workspace() / "mlflow" / "artifacts" / name).as_uri() if serverless else None
        try:
            mlflow.create_experiment(name, artifact_location=location)
        except MlflowException as error:
            # Two first runs at once: the other one has just made it.
            if error.error_code != ErrorCode.Name(RESOURCE_ALREADY_EXISTS):
                raise
    return str(mlflow.set_experiment(name).experiment_id)


def git_commit() -> str:
    """The commit of this code, with `-dirty` where files differ from it; `unknown` outside a git checkout."""
    here = Path(__file__).parent
    described = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
        cwd=here,
        capture_output=True,
        text=True,
        check=False,
    )
    return described.stdout.strip() or "unknown"
