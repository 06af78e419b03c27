"""Stage: PerMix-RLVR (or plain RLVR) in a child process.

The directory follows from what goes in, so that the same command run again finds the checkpoint of a training that was
killed, and goes on in the same MLflow run.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow
from mlflow.exceptions import MlflowException
from prefect import get_run_logger, task
from prefect.context import TaskRunContext

from permix.config import Profile, digest
from permix.training.checkpoint import last_checkpoint
from permix.training.launch import train_in_child
from permix.training.progress import Progress
from permix.training.spec import TrainingSpec
from permix.workspace import workspace
from tasks.progress import progress_shown
from tasks.stage import STAGE_OPTIONS, StageResult, code_digest
from tasks.tracking import tracked_stage

MLFLOW_RUN = "mlflow_run_id"


def training_key(profile: Profile, base: StageResult, problems: StageResult, personas: StageResult) -> str:
    """Digest of what the policy depends on."""
    inputs = [base.digest, problems.digest, personas.digest]
    return digest("train", profile.training, profile.seed, inputs, code_digest("training", "personas", "verifier"))


def _key(_: TaskRunContext, arguments: dict[str, Any]) -> str:
    return training_key(**arguments)


@task(name="train", cache_key_fn=_key, **STAGE_OPTIONS)
def train_policy(profile: Profile, base: StageResult, problems: StageResult, personas: StageResult) -> StageResult:
    """Train a policy; the result's directory holds `policy/`, a checkpoint with its tokenizer.

    Raises TrainingFailed where the child ends without a result. Ends the child when it is cancelled.
    """
    directory = workspace() / "training" / training_key(profile, base, problems, personas)[:12]
    spec = TrainingSpec(
        base=base.path,
        problems=problems.path,
        personas=personas.path,
        directory=str(directory),
        settings=profile.training,
        seed=profile.seed,
    )
    with tracked_stage("train", run_id=_earlier_run(directory)) as run_id:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / MLFLOW_RUN).write_text(run_id, encoding="utf-8")
        mlflow.log_params(profile.training.model_dump())
        for name, given in (("base", base), ("problems", problems), ("personas", personas)):
            mlflow.set_tag(f"permix.{name}.digest", given.digest)
        checkpoint = last_checkpoint(spec.files.checkpoints)
        get_run_logger().info(
            "train: %s in %s", f"resuming from {checkpoint.name}" if checkpoint else "starting", directory
        )
        try:
            with progress_shown("train", f"{profile.training.arm} by GRPO") as show:
                reference = train_in_child(
                    spec,
                    lambda step: show(step.step, step.steps, _line(step)),
                    {
                        "MLFLOW_TRACKING_URI": mlflow.get_tracking_uri(),
                        "MLFLOW_RUN_ID": run_id,
                        # Transformers would log 400 parameters of its own, and fail when a resumed run changes one.
                        "MLFLOW_MAX_LOG_PARAMS": "0",
                    },
                )
        finally:
            for file in (spec.files.spec, spec.files.log, spec.files.progress):
                if file.is_file():
                    mlflow.log_artifact(str(file))
        return StageResult(stage="train", path=reference.path, digest=reference.digest, mlflow_run_id=run_id)


def _earlier_run(directory: Path) -> str | None:
    """The MLflow run of a training that was begun in this directory, if this experiment still has it."""
    file = directory / MLFLOW_RUN
    if not file.is_file():
        return None
    try:
        run = mlflow.MlflowClient().get_run(file.read_text(encoding="utf-8"))
    except MlflowException:
        return None
    active = mlflow.active_run()
    elsewhere = active is not None and active.info.experiment_id != run.info.experiment_id
    return None if elsewhere or run.info.lifecycle_stage != "active" else str(run.info.run_id)


def _line(progress: Progress) -> str:
    reward = "none" if progress.reward is None else f"{progress.reward:.2f}"
    kl = "" if progress.kl is None else f", KL {progress.kl:.3f}"
    return f"reward {reward}{kl}, entropy {progress.entropy:.2f}, {progress.zero_advantage:.0%} of groups all alike"
