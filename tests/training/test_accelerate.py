"""A child of several processes, started by accelerate on the CPU; and the launch files that the profiles name."""

from __future__ import annotations

import csv
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from accelerate.commands.config.config_args import ClusterConfig, load_config_from_file
from safetensors.torch import load_file

from permix.config import load_profile
from permix.training.arguments import batches
from permix.training.launch import TrainingFailed, train_in_child
from permix.training.progress import Progress, read_progress
from permix.training.spec import TrainingSpec

ROOT = Path(__file__).resolve().parents[2]
TWO = str(ROOT / "infra" / "accelerate" / "two_cpu_processes.yaml")


def tables(told: TrainingSpec) -> list[dict[str, Any]]:
    """The rows of every step's table of completions."""
    rows = []
    for file in sorted((told.files.tables / "completions").glob("*.csv")):
        with file.open(encoding="utf-8", newline="") as lines:
            rows += list(csv.DictReader(lines))
    return rows


@pytest.mark.slow
def test_two_processes_train_as_one(spec: Callable[..., TrainingSpec]) -> None:
    """Sampled, not greedy: what is drawn follows from (seed, step, row), on however many processes."""
    settings = {"mixing": "per_rollout", "steps": 3, "log_completions_every": 1, "probe_every": None}
    one, two = spec("one", **settings), spec("two", **settings, launch=TWO)
    for told in (one, two):
        train_in_child(told)
    assert "Launching training" not in one.files.log.read_text()
    rows, others = tables(one), tables(two)
    assert len(rows) == 3 * 64
    assert [{**row, "advantage": 0} for row in rows] == [{**row, "advantage": 0} for row in others]
    advantages = [[float(row["advantage"]) for row in table] for table in (rows, others)]
    assert advantages[0] == pytest.approx(advantages[1], abs=2e-4)
    assert len(set(advantages[0])) > 2
    for a, b in zip(read_progress(one.files.progress), read_progress(two.files.progress), strict=True):
        assert (a.step, a.reward, a.length) == (b.step, b.reward, b.length)
        assert a.loss == pytest.approx(b.loss, abs=1e-5)
    # The gradient is the mean of two halves in place of one sum: the same but for rounding, which Adam enlarges.
    policies = [load_file(told.files.policy / "model.safetensors") for told in (one, two)]
    for name, weight in policies[0].items():
        torch.testing.assert_close(weight, policies[1][name], rtol=1e-2, atol=1e-4)


def ranks_of(told: TrainingSpec) -> list[psutil.Process]:
    """The processes that train, wherever they stand in the tree."""
    found = []
    for process in psutil.process_iter():
        try:
            arguments = process.cmdline()
        except psutil.Error:
            continue
        if str(told.files.spec) in arguments and "accelerate.commands.launch" not in arguments:
            found.append(process)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("end", ["cancelled", "launcher killed"])
def test_all_processes_end_with_the_child(spec: Callable[..., TrainingSpec], end: str) -> None:
    told = spec(end, steps=100_000, save_every=100_000, probe_every=None, launch=TWO)
    ranks: list[psutil.Process] = []

    def stop(_: Progress) -> None:
        if ranks:
            return  # again, before the launcher was seen to be dead
        ranks.extend(ranks_of(told))
        if end == "cancelled":
            raise KeyboardInterrupt
        launcher = ranks[0].parent()
        assert launcher is not None
        launcher.send_signal(signal.SIGKILL)

    with pytest.raises(KeyboardInterrupt if end == "cancelled" else TrainingFailed):
        train_in_child(told, stop, every=0.2)
    assert len(ranks) == 2
    _, alive = psutil.wait_procs(ranks, timeout=5)
    assert not alive


@pytest.mark.slow
def test_the_error_of_a_process_is_what_is_shown(spec: Callable[..., TrainingSpec]) -> None:
    with pytest.raises(TrainingFailed) as failure:
        train_in_child(spec(problems_per_step=500, launch=TWO))
    message = str(failure.value)
    assert "training.problems_per_step is 500, but there are only" in message
    assert "torch/distributed" not in message, "the launcher's own words are left out"


def test_a_launch_file_that_is_not_there_is_named(spec: Callable[..., TrainingSpec]) -> None:
    with pytest.raises(
        FileNotFoundError, match=r"training.launch: there is no nowhere.yaml in .*infra/accelerate/, or"
    ):
        train_in_child(spec(launch="nowhere.yaml"))


@pytest.mark.parametrize("file", sorted((ROOT / "infra" / "accelerate").glob("*.yaml")), ids=lambda file: file.stem)
def test_accelerate_reads_its_configurations(file: Path) -> None:
    config = load_config_from_file(str(file))  # refuses unknown keys
    assert isinstance(config, ClusterConfig)
    assert config.num_processes >= config.num_machines


@pytest.mark.parametrize("name", ["one_gpu", "one_node", "many_nodes"])
def test_a_profile_and_its_launch_file_fit(name: str) -> None:
    profile = load_profile(str(ROOT / "configs" / f"{name}.yaml"))
    assert profile.training.launch is not None
    config = load_config_from_file(str(ROOT / profile.training.launch))
    assert config is not None
    # A step can be shared out among the processes, and leaves each as many passes as fit.
    shares = batches(profile.training, config.num_processes)
    assert shares["per_device_train_batch_size"] == profile.training.micro_batch
    assert shares["gradient_accumulation_steps"] >= 1
