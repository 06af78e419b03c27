"""`permix up`: real servers and a worker; a deployed flow runs, and no process is left.

What it deploys is looked at in tests/operations.
"""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import mlflow
import psutil
import pytest
from stack import PREFECT, Running, free_port, stack, start_up, wait_for


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with stack(tmp_path_factory.mktemp("up") / "workspace") as up:
        yield up


@pytest.mark.slow
def test_a_deployed_flow_runs_in_the_workspace_and_against_the_servers(running: Running) -> None:
    environment = {**os.environ, "PREFECT_API_URL": running.prefect}
    done = subprocess.run(
        [PREFECT, "deployment", "run", "curate/on-demand", "--watch"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert done.returncode == 0, done.stdout + done.stderr + (running.workspace / "logs" / "worker.log").read_text()
    [run] = mlflow.MlflowClient(running.mlflow).search_runs(
        [mlflow.MlflowClient(running.mlflow).get_experiment_by_name("organism").experiment_id],
        "tags.`prefect.flow_run_id` != ''",
    )
    assert run.info.status == "FINISHED"
    assert list((running.workspace / "problems").iterdir())
    # What the server's run left is there for who reads the workspace without a server.
    serverless = mlflow.MlflowClient(f"sqlite:///{running.workspace}/mlflow/mlflow.db")
    assert [artifact.path for artifact in serverless.list_artifacts(run.info.run_id)] == ["profile.json"]


@pytest.mark.slow
def test_a_training_that_is_left_running_ends_with_everything_else(running: Running) -> None:
    # The fixture, taken down after this, looks for processes that are left; the training's child is in a session of
    # its own, three processes down.
    [train] = [d for d in running.api("deployments/filter") if d["entrypoint"].endswith(":train")]
    profile = {
        "organism": {"hidden_size": 32, "layers": 1, "heads": 2, "steps": 60},
        "training": {"steps": 100_000},
    }
    running.api(f"deployments/{train['id']}/create_flow_run", parameters={"profile": profile})

    def training() -> list[psutil.Process]:
        family = psutil.Process(running.process.pid).children(recursive=True)
        return [process for process in family if "permix.training.child" in process.cmdline()]

    assert wait_for(training, 120)


@pytest.mark.parametrize("option", ["--prefect-port", "--mlflow-port"])
def test_a_port_in_use_is_named_with_its_option(option: str, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ports = {"--prefect-port": free_port(), "--mlflow-port": free_port(), option: port}
        process = start_up(tmp_path, ports["--prefect-port"], ports["--mlflow-port"])
        said, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert f"port {port} on 127.0.0.1 is in use; choose another with {option}" in said
    assert "Traceback" not in said
