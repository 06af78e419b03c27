"""Servers and the worker killed while a retrain is under way, each a real process; what is there afterwards.

docs/reliability.md tells what was seen.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from killable import Stack, killable
from profiles import tiny
from stack import Running, wait_for

from permix.guard import MARK

pytestmark = pytest.mark.faults


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with killable(tmp_path / "workspace") as up:
        yield up


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
