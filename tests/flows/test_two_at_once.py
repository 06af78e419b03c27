"""Two processes run the same flow on the same workspace at the same time, as from two terminals."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import mlflow
import pytest

from permix.config import Profile
from permix.reference import finished
from permix.workspace import engine_environment

pytestmark = pytest.mark.slow


def test_each_stage_is_made_once_and_both_complete(tmp_path: Path) -> None:
    file = tmp_path / "profile.json"
    file.write_text(Profile(name="both").model_dump_json(), encoding="utf-8")
    root = tmp_path / "workspace"
    (root / "mlflow").mkdir(parents=True)
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("PREFECT_", "MLFLOW_"))}
    environment = engine_environment(root, {**inherited, "PERMIX_WORKSPACE": str(root)})
    # Whoever comes first into an empty database migrates it.
    mlflow.MlflowClient(environment["MLFLOW_TRACKING_URI"]).search_experiments()

    logs = [tmp_path / f"{number}.log" for number in range(2)]
    processes = []
    for log in logs:
        with log.open("w") as out:
            command = [sys.executable, "-m", "flows.curate", str(file)]
            processes.append(subprocess.Popen(command, env=environment, stdout=out, stderr=out))
    for process, log in zip(processes, logs, strict=True):
        assert process.wait(timeout=400) == 0, log.read_text()

    [validation] = (root / "validation").iterdir()
    assert finished(validation) is not None
    client = mlflow.MlflowClient(environment["MLFLOW_TRACKING_URI"])
    experiment = client.get_experiment_by_name("both")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    stages = [run.data.tags["permix.stage"] for run in runs if "permix.stage" in run.data.tags]
    assert sorted(stages) == ["curate_personas", "curate_problems", "validate"]
    reused = [tag for run in runs for tag in run.data.tags if tag.startswith("permix.reused.")]
    assert sorted(reused) == [f"permix.reused.{stage}" for stage in sorted(stages)]
