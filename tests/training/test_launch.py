"""Real children, killed for real."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from permix.personas import load_personas
from permix.problems import load_problems
from permix.reference import Reference, facts
from permix.training.launch import TrainingFailed, train_in_child
from permix.training.progress import Progress, read_progress
from permix.training.spec import TrainingFiles, TrainingSpec

# Looked at often, so that a step in the middle of a short training is seen.
OFTEN = 0.05


def child_of(files: TrainingFiles) -> psutil.Process:
    return psutil.Process(int(files.lock.read_text()))


def ended(process: psutil.Process, within: float) -> bool:
    _, alive = psutil.wait_procs([process], timeout=within)
    return not alive


def test_a_killed_training_resumes_and_ends_as_if_nothing_had_happened(spec: Callable[..., TrainingSpec]) -> None:
    from permix.training.child import train

    length = {"steps": 20, "save_every": 4, "mixing": "per_rollout", "probe_every": None}
    told = spec("killed", **length)

    def kill(progress: Progress) -> None:
        if progress.step >= 6:
            child_of(told.files).send_signal(signal.SIGKILL)

    with pytest.raises(TrainingFailed) as failure:
        train_in_child(told, kill, every=OFTEN)
    message = str(failure.value)
    assert "was killed by SIGKILL" in message
    assert "cause: it was killed by SIGKILL: by hand" in message
    assert (resumed := re.search(r"resumes from \S+/checkpoint-(\d+)", message)) is not None
    assert int(resumed.group(1)) in {4, 8, 12, 16}
    assert str(told.files.log) in message

    seen: list[Progress] = []
    done = train_in_child(told, seen.append, every=OFTEN)
    assert min(progress.step for progress in seen) >= int(resumed.group(1)), "it did not start from the beginning"
    assert [progress.step for progress in read_progress(told.files.progress)] == list(range(1, 21))
    assert not told.files.checkpoints.exists()

    whole = spec("whole", **length)
    reference = train(whole, load_problems(Path(whole.problems), "train"), load_personas(Path(whole.personas), "train"))
    assert done.digest == reference.digest, "bit by bit the same policy"
    learned = facts(reference)["files"]["policy/model.safetensors"]
    assert learned != facts(Reference(told.base, ""))["files"]["model.safetensors"], "it did learn"
    assert rewards(told) == rewards(whole)

    # A finished training is only looked at.
    assert train_in_child(told) == done


def rewards(told: TrainingSpec) -> list[float | None]:
    return [progress.reward for progress in read_progress(told.files.progress)]


def test_an_exception_while_watching_ends_the_child(spec: Callable[..., TrainingSpec]) -> None:
    told = spec(steps=100_000, save_every=100_000)
    children: list[psutil.Process] = []

    def interrupted(_: Progress) -> None:
        children.append(child_of(told.files))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_in_child(told, interrupted, every=OFTEN)
    assert not children[0].is_running()


def test_a_child_ends_when_its_parent_is_killed(spec: Callable[..., TrainingSpec], tmp_path: Path) -> None:
    told = spec(steps=100_000, save_every=100_000)
    file = tmp_path / "told.json"
    file.write_text(told.model_dump_json())
    watcher = (
        "import sys; from pathlib import Path; from permix.training.launch import train_in_child;"
        "from permix.training.spec import TrainingSpec;"
        "train_in_child(TrainingSpec.model_validate_json(Path(sys.argv[1]).read_text()))"
    )
    parent = subprocess.Popen([sys.executable, "-c", watcher, str(file)])
    try:
        deadline = time.monotonic() + 60
        while not read_progress(told.files.progress):
            assert parent.poll() is None
            assert time.monotonic() < deadline, "the child never got to its first step"
            time.sleep(0.1)
        child = child_of(told.files)
        parent.kill()
        # The killed parent stays a zombie until it is waited for: the child must not take that for a life.
        assert ended(child, within=5)
    finally:
        parent.kill()
        parent.wait()


def test_a_child_that_fails_says_why(spec: Callable[..., TrainingSpec]) -> None:
    told = spec(problems_per_step=500)
    with pytest.raises(TrainingFailed) as failure:
        train_in_child(told, every=OFTEN)
    message = str(failure.value)
    assert "ended with exit code 1; the same command run again starts from the beginning" in message
    assert "training.problems_per_step is 500, but there are only" in message
    assert not told.files.result.exists()
