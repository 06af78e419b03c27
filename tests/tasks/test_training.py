from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import mlflow
import psutil
import pytest
import torch
from prefect import flow
from prefect.artifacts import Artifact
from transformers import AutoModelForCausalLM, AutoTokenizer

from flows.train import Trained, train
from permix.config import ModelSettings, OrganismSettings, Profile, TrainingSettings
from permix.training.checkpoint import last_checkpoint
from permix.training.launch import TrainingFailed
from permix.training.progress import read_progress
from permix.training.spec import TrainingFiles
from tasks.organism import make_base
from tasks.stage import StageResult, run_stage
from tasks.tracking import tracked_flow
from tasks.training import training_key

PROFILE = Profile(
    organism=OrganismSettings(hidden_size=32, layers=1, heads=2, steps=60, batch_size=16),
    training=TrainingSettings(steps=24, problems_per_step=4, group_size=4, save_every=4),
)


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A model this small gains nothing by more threads, and loses much when others are at work on the machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # for the children
    yield
    torch.set_num_threads(before)


def runs(stage: str) -> list[mlflow.entities.Run]:
    found = mlflow.search_runs(search_all_experiments=True, output_format="list", order_by=["start_time"])
    return [run for run in found if run.data.tags.get("permix.stage") == stage]  # type: ignore[union-attr]


def artifacts(run: mlflow.entities.Run) -> set[str]:
    return {file.path for file in mlflow.MlflowClient().list_artifacts(run.info.run_id)}


def wait_for_step(workspace: Path, step: int, seconds: float) -> TrainingFiles:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for file in workspace.glob("training/*/progress.jsonl"):
            if any(progress.step >= step for progress in read_progress(file)):
                return TrainingFiles(file.parent)
        time.sleep(0.02)
    raise TimeoutError(f"no training got to step {step}")


@contextmanager
def killer(workspace: Path, step: int) -> Iterator[None]:
    """Meanwhile, kill the training child when it gets to this step."""

    def kill() -> None:
        os.kill(int(wait_for_step(workspace, step, 120).lock.read_text()), signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    yield
    thread.join()


@pytest.mark.usefixtures("prefect_server")
def test_a_killed_training_goes_on_in_the_same_mlflow_run(workspace: Path) -> None:
    with (
        killer(workspace, step=6),
        pytest.raises(TrainingFailed, match=r"killed by SIGKILL.*resumes from .*checkpoint-"),
    ):
        train(PROFILE)
    (failed,) = runs("train")
    assert failed.info.status == "FAILED"
    assert {"spec.json", "child.log", "progress.jsonl"} <= artifacts(failed)
    assert not list(workspace.glob("training/*/result/manifest.json")), "nothing looks finished"

    trained = train(PROFILE)
    check(trained, workspace)
    (finished,) = runs("train")
    assert finished.info.run_id == failed.info.run_id == trained.policy.mlflow_run_id
    assert finished.info.status == "FINISHED"
    assert finished.data.params["steps"] == "24"
    assert finished.data.tags["permix.base.digest"] == trained.base.digest
    curve = mlflow.MlflowClient().get_metric_history(finished.info.run_id, "reward")
    assert sorted(point.step for point in curve) == list(range(1, 25)), "steps that were done again stand there once"
    assert {"reward_by_kind/neutral", "entropy", "kl", "completions/mean_length"} <= finished.data.metrics.keys()
    assert {"held_out/mean", "held_out/worst", "held_out/neutral", "kept_step"} <= finished.data.metrics.keys()
    assert finished.data.tags["permix.kept"].startswith(f"step {finished.data.metrics['kept_step']:.0f} solved most")
    assert {"probes.jsonl", "personas.csv", "personas.html"} <= artifacts(finished)
    tables = mlflow.MlflowClient().list_artifacts(finished.info.run_id, "completions")
    assert {"completions/step-00024.html", "completions/step-00024.csv"} <= {table.path for table in tables}
    assert (bar := Artifact.get("train-progress")) is not None
    assert bar.data == 100.0

    # The base was made once, with its loss curve; the second flow run took it as it was.
    (base,) = runs("base")
    losses = mlflow.MlflowClient().get_metric_history(base.info.run_id, "loss")
    assert [point.step for point in losses] == [50, 60]
    assert losses[0].value > losses[-1].value

    assert train(PROFILE) == trained
    assert len(runs("train")) == 1, "the third time nothing is trained"

    # A policy is a base like any other.
    given = ModelSettings(base=str(trained.policy.reference.file("policy")))
    again = base_only(PROFILE.model_copy(update={"model": given}))
    assert again.digest != trained.base.digest
    assert Path(again.path).parent == workspace / "base"
    key = training_key(PROFILE, again, trained.problems, trained.personas)
    assert key != training_key(PROFILE, trained.base, trained.problems, trained.personas)
    smaller = PROFILE.model_copy(update={"training": PROFILE.training.model_copy(update={"micro_batch": 4})})
    assert key == training_key(smaller, again, trained.problems, trained.personas), "smaller passes, the same training"


@flow
def base_only(profile: Profile) -> StageResult:
    with tracked_flow(profile):
        return run_stage(make_base, profile)


def check(trained: Trained, workspace: Path) -> None:
    """The result is a whole model, under the workspace, and the checkpoints that led to it are gone."""
    policy = trained.policy.reference.file("policy")
    assert trained.policy.reference.exists()
    assert policy.is_relative_to(workspace / "training")
    assert AutoModelForCausalLM.from_pretrained(policy).num_parameters() > 0
    prompt = AutoTokenizer.from_pretrained(policy).apply_chat_template([{"role": "user", "content": "What is 1 + 1?"}])
    assert len(prompt["input_ids"]) > 3
    names = {path.name for path in policy.iterdir()}
    assert not {name for name in names if name.endswith((".bin", ".pt", ".pth"))}, "no pickles"
    assert not list(workspace.glob("training/*/checkpoints"))


@pytest.mark.slow
@pytest.mark.usefixtures("prefect_server")
def test_distillation_from_another_model(workspace: Path) -> None:
    able = OrganismSettings(hidden_size=32, layers=1, heads=2, steps=200, batch_size=64, learning_rate=1e-2)
    teacher = base_only(PROFILE.model_copy(update={"organism": able}))
    training = {"arm": "distillation", "teacher": teacher.path, "lora": {"rank": 4, "alpha": 8}, "steps": 8}
    profile = PROFILE.model_copy(update={"training": TrainingSettings.model_validate(training)})
    trained = train(profile)
    check(trained, workspace)
    (run,) = runs("train")
    digests = {base.data.tags["permix.base.digest"] for base in runs("base")}
    assert {run.data.tags["permix.teacher.digest"], trained.base.digest} <= digests
    assert run.data.tags["permix.teacher.digest"] != trained.base.digest
    assert run.data.metrics["examples/kept"] > 0
    assert run.data.metrics["examples/refused/incorrect"] > 0
    assert {"examples/kept.parquet", "examples/refused.parquet"} <= {
        file.path for file in mlflow.MlflowClient().list_artifacts(run.info.run_id, "examples")
    }


@pytest.mark.slow
def test_a_killed_flow_goes_on_in_the_same_mlflow_run(workspace: Path, tmp_path: Path) -> None:
    file = tmp_path / "profile.json"
    file.write_text(PROFILE.model_dump_json())
    command = [sys.executable, "-m", "flows.train", str(file)]
    running = subprocess.Popen(command)
    try:
        files = wait_for_step(workspace, 6, 180)
        child = psutil.Process(int(files.lock.read_text()))
        running.kill()
        _, alive = psutil.wait_procs([child], timeout=10)
        assert not alive
    finally:
        running.kill()
        running.wait()
    (killed,) = runs("train")
    assert killed.info.status == "RUNNING", "nobody was left to say otherwise"
    checkpoint = last_checkpoint(files.checkpoints)
    assert checkpoint is not None

    subprocess.run(command, check=True)
    assert f"from {checkpoint}" in files.log.read_text()
    (run,) = runs("train")
    assert (run.info.run_id, run.info.status) == (killed.info.run_id, "FINISHED")
    for metric in ("reward", "loss", "entropy"):
        curve = mlflow.MlflowClient().get_metric_history(run.info.run_id, metric)
        assert sorted(point.step for point in curve) == list(range(1, 25))


@pytest.mark.slow
def test_cancelling_the_flow_ends_the_child(workspace: Path, tmp_path: Path) -> None:
    endless = PROFILE.model_copy(update={"training": PROFILE.training.model_copy(update={"steps": 100_000})})
    file = tmp_path / "profile.json"
    file.write_text(endless.model_dump_json())
    running = subprocess.Popen([sys.executable, "-m", "flows.train", str(file)])
    try:
        files = wait_for_step(workspace, 2, 180)
        child = psutil.Process(int(files.lock.read_text()))
        running.send_signal(signal.SIGTERM)  # what Prefect's worker sends on a cancellation
        _, alive = psutil.wait_procs([child], timeout=10)
        assert not alive
        assert running.wait(timeout=60) != 0
    finally:
        running.kill()
        running.wait()
