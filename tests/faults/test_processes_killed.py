"""Servers and the worker killed while a retrain is under way, each a real process; what is there afterwards.

docs/reliability.md tells what was seen.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from profiles import tiny
from stack import Running, free_port, wait_for

from permix.guard import MARK, end
from permix.servers import mlflow_server, prefect_server
from permix.up import Child, run_command
from permix.workspace import engine_environment

pytestmark = pytest.mark.faults


class Stack:
    """What `permix up` starts, each of which can be killed and started again."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.ports = {"prefect": free_port(), "mlflow": free_port()}
        given = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "MLFLOW_", "PERMIX_"))}
        self.environment = {
            **engine_environment(root, given=given),
            "PREFECT_API_URL": f"http://127.0.0.1:{self.ports['prefect']}/api",
            "MLFLOW_TRACKING_URI": f"http://127.0.0.1:{self.ports['mlflow']}",
            "PERMIX_HOME": str(Path(__file__).resolve().parent.parent.parent),
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "PREFECT_WORKER_QUERY_SECONDS": "2",
            MARK: f"test:{root}",
        }
        self.children: dict[str, Child] = {}
        for directory in ("logs", "mlflow"):
            (root / directory).mkdir(parents=True)

    def start(self, name: str) -> None:
        prefect = [sys.executable, "-m", "prefect", "--no-prompt"]
        commands: dict[str, Callable[[], list[str]]] = {
            "prefect": lambda: prefect_server(self.ports["prefect"]),
            "mlflow": lambda: mlflow_server(self.root, self.ports["mlflow"]),
            "worker": lambda: [*prefect, "worker", "start", "--pool", "permix", "--type", "process", "--limit", "2"],
        }
        self.children[name] = Child(name, commands[name](), self.environment, self.root / "logs")
        if name != "worker":
            path = "/api/health" if name == "prefect" else "/health"
            wait_for(lambda: answers(f"http://127.0.0.1:{self.ports[name]}{path}"), 180)

    def kill(self, name: str) -> None:
        """SIGKILL: the process and, of a server, the processes that it works with; a worker's flow runs live on."""
        process = self.children[name].process
        family = [process, *(process.children(recursive=True) if name != "worker" else [])]
        for each in family:
            each.kill()
        psutil.wait_procs(family, timeout=10)

    def running(self) -> Running:
        urls = (self.environment["PREFECT_API_URL"], self.environment["MLFLOW_TRACKING_URI"])
        return Running(None, *urls, self.root)  # type: ignore[arg-type]


def answers(address: str) -> bool:
    try:
        return httpx.get(address, timeout=5).is_success
    except httpx.TransportError:
        return False


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    up = Stack(tmp_path / "workspace")
    try:
        up.start("prefect")
        up.start("mlflow")
        prefect = [sys.executable, "-m", "prefect", "--no-prompt"]
        run_command([*prefect, "work-pool", "create", "permix", "--type", "process"], up.environment)
        run_command([*prefect, "deploy", "--all"], up.environment)
        up.start("worker")
        yield up
    finally:
        for child in reversed(up.children.values()):
            child.stop()
        end(up.environment[MARK])


def training(stack: Stack) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == stack.environment[MARK] and "permix.training.child" in process.cmdline():
                found.append(process)
        except psutil.Error:
            continue
    return found


def long(name: str) -> dict[str, Any]:
    """A training that takes the better part of a minute and keeps its steps."""
    profile = tiny(name)
    profile["training"] |= {"steps": 60, "save_every": 5}
    return profile


def one_of_each(running: Running, model: str) -> None:
    """One version, which is champion; one entry of the ledger; one training, whose steps are each there once."""
    assert running.registry.get_registered_model(model).aliases == {"champion": "1"}
    assert len(running.registry.search_model_versions(f"name = '{model}'")) == 1
    assert len(running.registry.search_model_versions(f"name = '{model}-ledger'")) == 1
    experiment = running.registry.get_experiment_by_name(model.removeprefix("permix-"))
    assert experiment is not None
    trained = running.registry.search_runs([experiment.experiment_id], "tags.`permix.stage` = 'train'")
    assert len(trained) == 1
    steps = [point.step for point in running.registry.get_metric_history(trained[0].info.run_id, "loss")]
    assert sorted(steps) == sorted(set(steps)), "a step is logged twice"
    assert max(steps) == 60


def test_the_worker_is_killed_while_a_training_runs(stack: Stack) -> None:
    running = stack.running()
    first = running.start("retrain/on-demand", profile=long("killed"))
    [child] = wait_for(lambda: training(stack), 180)
    time.sleep(10)
    stack.kill("worker")
    # What the worker had started is on its own, and ends its work or dies with the machine; here it dies too.
    for process in child.parents():
        if "prefect" in " ".join(process.cmdline()) and process.environ().get(MARK) == stack.environment[MARK]:
            process.kill()
    wait_for(lambda: not training(stack), 15)
    stack.start("worker")
    second = running.start("retrain/when-worse", profile=long("killed"))
    assert running.wait(second, seconds=400)["state"]["type"] == "COMPLETED", running.log()
    one_of_each(running, "permix-killed")
    assert running.run(first)["state"]["type"] != "COMPLETED"


def test_mlflow_is_away_for_a_minute_while_a_training_runs(stack: Stack) -> None:
    running = stack.running()
    run = running.start("retrain/on-demand", profile=long("away"))
    wait_for(lambda: training(stack), 180)
    time.sleep(5)
    stack.kill("mlflow")
    time.sleep(60)
    assert running.run(run)["state"]["type"] == "RUNNING"
    stack.start("mlflow")
    assert running.wait(run, seconds=400)["state"]["type"] == "COMPLETED", running.log()
    one_of_each(running, "permix-away")


def test_the_prefect_server_is_restarted_while_a_training_runs(stack: Stack) -> None:
    running = stack.running()
    run = running.start("retrain/on-demand", profile=long("restarted"))
    wait_for(lambda: training(stack), 180)
    stack.kill("prefect")
    time.sleep(3)
    stack.start("prefect")
    state = running.wait(run, seconds=400)["state"]
    if state["type"] != "COMPLETED":
        run = running.start("retrain/on-demand", profile=long("restarted"))
        assert running.wait(run, seconds=400)["state"]["type"] == "COMPLETED", running.log()
    one_of_each(running, "permix-restarted")


def test_two_retrains_of_the_same_at_once(stack: Stack) -> None:
    running = stack.running()
    runs = [running.start(f"retrain/{which}", profile=long("both")) for which in ("on-demand", "when-worse")]
    for run in runs:
        assert running.wait(run, seconds=500)["state"]["type"] == "COMPLETED", running.log()
    one_of_each(running, "permix-both")
    # Whoever came second waited, and took what the first had made.
    experiment = running.registry.get_experiment_by_name("both")
    assert experiment is not None
    found = running.registry.search_runs([experiment.experiment_id])
    stages = [run.data.tags["permix.stage"] for run in found if "permix.stage" in run.data.tags]
    once = [stage for stage in stages if stage not in ("register", "gate")]
    assert sorted(once) == sorted(set(once)), "a stage was made twice"
