"""`permix up`: real servers and a worker; a deployed flow runs, the schedule makes runs, and no process is left."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import mlflow
import psutil
import pytest

PERMIX = Path(sys.executable).parent / "permix"
PREFECT = Path(sys.executable).parent / "prefect"


@dataclass(frozen=True)
class Running:
    process: subprocess.Popen[str]
    prefect: str
    mlflow: str
    workspace: Path

    def api(self, path: str, **query: Any) -> Any:
        return httpx.post(f"{self.prefect}/{path}", json=query, timeout=30).raise_for_status().json()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start_up(workspace: Path, prefect_port: int, mlflow_port: int) -> subprocess.Popen[str]:
    given = {key: value for key, value in os.environ.items() if not key.startswith(("PREFECT_", "MLFLOW_"))}
    return subprocess.Popen(
        [PERMIX, "up", "--prefect-port", str(prefect_port), "--mlflow-port", str(mlflow_port)],
        env={**given, "PERMIX_WORKSPACE": str(workspace), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_for(what: Callable[[], Any], seconds: float) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, f"nothing after {seconds} s"
        time.sleep(1)
    return found


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    workspace = tmp_path_factory.mktemp("up") / "workspace"
    prefect_port, mlflow_port = free_port(), free_port()
    process = start_up(workspace, prefect_port, mlflow_port)
    try:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if "Ctrl-C" in line:
                break
        else:
            pytest.fail("".join(said))
        assert f"http://127.0.0.1:{prefect_port}" in "".join(said)
        yield Running(process, f"http://127.0.0.1:{prefect_port}/api", f"http://127.0.0.1:{mlflow_port}", workspace)
    finally:
        family = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=90)
    assert len(family) >= 3
    assert [child for child in family if child.is_running() and child.status() != psutil.STATUS_ZOMBIE] == []


@pytest.mark.slow
def test_every_flow_is_deployed_and_the_schedule_makes_runs(running: Running) -> None:
    deployed = {d["id"]: f"{d['entrypoint'].split(':')[1]}/{d['name']}" for d in running.api("deployments/filter")}
    assert sorted(deployed.values()) == [
        "curate/on-demand",
        "evaluate/on-demand",
        "promote/on-demand",
        "retrain/nightly",
        "retrain/on-demand",
        "train/on-demand",
    ]

    def scheduled() -> list[dict[str, Any]]:
        query = {"flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}}}
        runs: list[dict[str, Any]] = running.api("flow_runs/filter", **query)
        return [run for run in runs if run["auto_scheduled"] and deployed[run["deployment_id"]] == "retrain/nightly"]

    # With SQLAlchemy 2.1 the scheduler makes none, and says so in the server's log only.
    assert wait_for(scheduled, 90)


@pytest.mark.slow
def test_the_form_of_a_deployment_has_the_profile_with_its_defaults(running: Running) -> None:
    [retrain] = [
        d for d in running.api("deployments/filter") if d["entrypoint"].endswith(":retrain") and d["schedules"] == []
    ]
    schema = retrain["parameter_openapi_schema"]
    assert schema["properties"]["profile"]["default"]["training"]["steps"] == 200
    steps = schema["definitions"]["TrainingSettings"]["properties"]["steps"]
    assert steps["description"] == "Optimizer steps."
    assert steps["minimum"] == 1


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
