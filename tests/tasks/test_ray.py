"""Evaluation and curation on a real Ray cluster of this machine: what one process makes, whoever is killed."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.sorting import FlowRunSort

from permix.config import (
    EvaluationSettings,
    FanOutSettings,
    FileProblems,
    OrganismSettings,
    ProblemSettings,
    Profile,
)
from permix.evaluation.scorecard import SCORECARD
from permix.generation.cache import COMPLETIONS
from permix.organism.base import train_base
from tasks.curation import curate_personas, curate_problems
from tasks.evaluation import evaluate_policy
from tasks.given import given_model
from tasks.stage import StageResult, run_stage
from tasks.tracking import tracked_flow

NOT_INSTALLED = "Ray is not installed: pip install -e '.[ray]' --constraint constraints.txt"
# Not importorskip: Ray must not be imported before it is told to keep to loopback.
pytestmark = [
    pytest.mark.skipif(find_spec("prefect_ray") is None, reason=NOT_INSTALLED),
    pytest.mark.slow,
    pytest.mark.usefixtures("prefect_server", "workspace"),
]

TINY = OrganismSettings(hidden_size=32, layers=1, heads=2, steps=60, batch_size=16)
# Batches so small that there are dozens of shards.
EVALUATION = EvaluationSettings(problems=10, samples=2, roleplay_questions=2, resamples=50, batch_size=16)
HERE = Profile(name="here", organism=TINY, evaluation=EVALUATION)
SPREAD = HERE.model_copy(update={"name": "spread", "fan_out": FanOutSettings(shards=3)})


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The smallest organism, hardly trained."""
    directory = tmp_path_factory.mktemp("tiny", numbered=False)
    train_base(TINY, 0, directory)
    return directory


@flow
def evaluated(profile: Profile, model: Path) -> StageResult:
    with tracked_flow(profile):
        problems = run_stage(curate_problems, profile.problems, "organism")
        personas = run_stage(curate_personas, profile.personas, "organism")
        return run_stage(evaluate_policy, profile, given_model(str(model)), problems, personas, "tiny")


@flow
def curated(profile: Profile) -> StageResult:
    with tracked_flow(profile):
        return run_stage(curate_problems, profile.problems, "organism", profile.fan_out)


def test_an_evaluation_is_the_same_on_two_workers_of_which_one_is_killed(model: Path, workspace: Path) -> None:
    completions = workspace / "completions" / COMPLETIONS
    alone = evaluated(HERE, model)
    whole, rows = contents(Path(alone.path)), kept(completions)
    shutil.rmtree(alone.path)
    completions.unlink()

    with killing(lambda: completions.is_file() and len(kept(completions)) > 20) as killed:
        spread = evaluated(SPREAD, model)
    assert killed, "a worker was at a shard when it was killed"
    # Made again, under the same key.
    assert spread.path == alone.path
    assert kept(completions) == rows
    assert contents(Path(spread.path)) == whole
    # One says what the model is; then batches of 16 (21 prompts, problems, samples; greedy; role-play); then verdicts.
    shards = 1 + -(-21 * 10 * 2 // 16) + 1 + -(-20 * 2 // 16) + 2
    assert_each_shard_is_one_task_run(shards)
    wait_until(lambda: not ray_processes(), 30)


def test_a_curation_is_the_same_on_two_workers_of_which_one_is_killed(tmp_path: Path, workspace: Path) -> None:
    file = tmp_path / "problems.jsonl"
    with file.open("w", encoding="utf-8") as rows:
        for n in range(5000):
            gold = rf"\frac{{\sqrt{{{n}}}}}{{x + {n}}}" if n % 10 else f"about {n}"
            rows.write(json.dumps({"problem": f"What is number {n}, as found in case {n * n}?", "answer": gold}) + "\n")
    source = FileProblems(kind="file", name="here", path=str(file), split="train")
    settings = {"problems": ProblemSettings(sources=(source,))}
    alone = curated(HERE.model_copy(update=settings))
    whole = contents(Path(alone.path))
    shutil.rmtree(alone.path)

    listening: set[str] = set()
    with killing(lambda: listening.update(addresses()) or True) as killed:
        spread = curated(SPREAD.model_copy(update=settings))
    assert killed, "a worker was at a shard when it was killed"
    assert (spread.path, spread.digest) == (alone.path, alone.digest)
    assert contents(Path(spread.path)) == whole
    assert_each_shard_is_one_task_run(5)
    assert listening == {"127.0.0.1"}
    wait_until(lambda: not ray_processes(), 30)


def contents(directory: Path) -> dict[str, bytes]:
    """What follows from the work alone: no page, which names a commit, nor the manifest, which has its digest."""
    names = [path.name for path in directory.iterdir() if path.suffix == ".parquet" or path.name == SCORECARD]
    return {name: (directory / name).read_bytes() for name in names}


def kept(completions: Path) -> list[tuple[object, ...]]:
    with sqlite3.connect(completions, timeout=60) as store:
        return store.execute("SELECT * FROM completions ORDER BY key").fetchall()


def assert_each_shard_is_one_task_run(number: int) -> None:
    """In Prefect, of the flow that ran last; all Completed, but for what a killed worker had not told it yet.

    A worker tells Prefect in the background. What it had done, and not told when it was killed, stays as Running.
    """
    with get_client(sync_client=True) as client:
        (last,) = client.read_flow_runs(sort=FlowRunSort.START_TIME_DESC, limit=1)
        only = FlowRunFilter(id=FlowRunFilterId(any_=[last.id]))

        def states() -> Counter[str]:
            runs = client.read_task_runs(flow_run_filter=only, limit=200)
            return Counter(run.state_type.value for run in runs if run.task_key.startswith("shard") and run.state_type)

        wait_until(lambda: states()["COMPLETED"] + states()["RUNNING"] == number, 60)
        with contextlib.suppress(AssertionError):
            wait_until(lambda: states()["COMPLETED"] == number, 15)
        found = states()
    assert found["RUNNING"] <= 2
    assert found.keys() <= {"COMPLETED", "RUNNING"}
    assert sum(found.values()) == number


def ray_processes() -> dict[int, str]:
    """What Ray has started from this process, by number: its servers, and workers as `ray::` and what they do."""
    found = {}
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            title = " ".join(process.cmdline())
            if title.startswith("ray::") or "site-packages/ray/" in title:
                found[process.pid] = title
    return found


def addresses() -> set[str]:
    """Where Ray's processes listen."""
    found = set()
    for number in ray_processes():
        with contextlib.suppress(psutil.Error):
            sockets = psutil.Process(number).net_connections("tcp")
            found |= {each.laddr.ip.removeprefix("::ffff:") for each in sockets if each.status == psutil.CONN_LISTEN}
    return found


@contextmanager
def killing(when: Callable[[], bool]) -> Iterator[list[int]]:
    """Kill (SIGKILL) a worker that is at a shard, once, as soon as it is time."""
    killed: list[int] = []
    over = threading.Event()

    def watch() -> None:
        while not over.is_set() and not killed:
            time.sleep(0.01)
            at_work = [number for number, title in ray_processes().items() if title.startswith("ray::shard")]
            if at_work and when():
                os.kill(at_work[0], signal.SIGKILL)
                killed.append(at_work[0])

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield killed
    finally:
        over.set()
        thread.join()


def wait_until(done: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.2)
