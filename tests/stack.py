"""`permix up` as its user runs it: real servers and a worker, in a workspace of their own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import mlflow
import psutil
import pytest

PERMIX = Path(sys.executable).parent / "permix"
PREFECT = Path(sys.executable).parent / "prefect"
TERMINAL = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}


@dataclass(frozen=True)
class Running:
    """A stack that is up."""

    process: subprocess.Popen[str]
    prefect: str
    """Base URL of Prefect's API."""
    mlflow: str
    """URL of the MLflow server."""
    workspace: Path

    def api(self, path: str, **query: Any) -> Any:
        """POST to Prefect's API."""
        return httpx.post(f"{self.prefect}/{path}", json=query, timeout=30).raise_for_status().json()

    def get(self, path: str) -> Any:
        """GET from Prefect's API."""
        return httpx.get(f"{self.prefect}/{path}", timeout=30).raise_for_status().json()

    @property
    def registry(self) -> mlflow.MlflowClient:
        """A client of the MLflow server."""
        return mlflow.MlflowClient(self.mlflow)

    def environment(self) -> dict[str, str]:
        """What a user's terminal exports."""
        return {
            **os.environ,
            "PREFECT_API_URL": self.prefect,
            "MLFLOW_TRACKING_URI": self.mlflow,
            "PERMIX_WORKSPACE": str(self.workspace),
            "COLUMNS": "250",
        }

    def permix(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The command, from a terminal."""
        return subprocess.run(
            [PERMIX, *arguments], capture_output=True, text=True, check=False, env=self.environment(), timeout=240
        )

    def start(self, deployment: str, **parameters: Any) -> str:
        """Start a run of `flow/name`; returns its id."""
        found = self.get(f"deployments/name/{deployment}")
        return str(self.api(f"deployments/{found['id']}/create_flow_run", parameters=parameters)["id"])

    def run(self, run_id: str) -> dict[str, Any]:
        """A flow run."""
        found: dict[str, Any] = self.get(f"flow_runs/{run_id}")
        return found

    def wait(self, run_id: str, states: set[str] = TERMINAL, seconds: float = 300) -> dict[str, Any]:
        """A flow run, once it is in one of these states."""

        def there() -> dict[str, Any] | None:
            found = self.run(run_id)
            return found if found["state"]["type"] in states else None

        try:
            found: dict[str, Any] = wait_for(there, seconds)
        except AssertionError as error:
            log = (self.workspace / "logs" / "worker.log").read_text()[-4000:]
            raise AssertionError(f"{self.run(run_id)['state']}\n{log}") from error
        return found

    def log(self, name: str = "worker") -> str:
        """A process's log."""
        return (self.workspace / "logs" / f"{name}.log").read_text(errors="replace")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start_up(
    workspace: Path, prefect_port: int, mlflow_port: int, more: Mapping[str, str] | None = None
) -> subprocess.Popen[str]:
    given = {key: value for key, value in os.environ.items() if not key.startswith(("PREFECT_", "MLFLOW_"))}
    return subprocess.Popen(
        [PERMIX, "up", "--prefect-port", str(prefect_port), "--mlflow-port", str(mlflow_port)],
        env={**given, "PERMIX_WORKSPACE": str(workspace), "PYTHONUNBUFFERED": "1", **(more or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@contextmanager
def stack(workspace: Path, more: Mapping[str, str] | None = None) -> Iterator[Running]:
    """A stack for a while; no process of it is left afterwards."""
    prefect_port, mlflow_port = free_port(), free_port()
    # Workers ask for work every ten seconds; a test need not wait that long.
    process = start_up(workspace, prefect_port, mlflow_port, {"PREFECT_WORKER_QUERY_SECONDS": "2", **(more or {})})
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
        family = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=90)
    assert len(family) >= 3
    assert [child for child in family if child.is_running() and child.status() != psutil.STATUS_ZOMBIE] == []


def wait_for(what: Callable[[], Any], seconds: float) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, f"nothing after {seconds} s"
        time.sleep(1)
    return found
