"""Two promotions at once, and a full artifact store."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest
from candidates import candidate, tiny_policy
from prefect.logging import disable_run_logger

from permix.config import Profile
from tasks.champion import make_champion
from tasks.ledger import CHAMPION, PREVIOUS, alias, read_ledger
from tasks.registry import register
from tasks.tracking import use_experiment

pytestmark = pytest.mark.faults
PROFILE = Profile()
NAME = PROFILE.promotion.registered_model


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_policy(tmp_path_factory.mktemp("weights"))


PROMOTE = f"""
import json, sys
import mlflow
from prefect.logging import disable_run_logger
from permix.config import Profile
from tasks.champion import make_champion
from tasks.ledger import OvertakenError, settled
from tasks.registry import Candidate, register
from tasks.stage import StageResult
candidate = Candidate(**{{k: StageResult(**v) for k, v in json.loads(sys.argv[1]).items()}})
mlflow.set_experiment("test")
with disable_run_logger(), mlflow.start_run() as run:
    version = register.fn(Profile(), candidate)
    print("ready", flush=True)
    sys.stdin.readline()
    overtaken = 0
    while True:
        judged_against = settled("{NAME}").champion
        try:
            make_champion.fn("{NAME}", version, judged_against, "bob", "because", run.info.run_id)
            break
        except OvertakenError:
            overtaken += 1
    print(version, overtaken)
"""


def test_promotions_at_once_come_one_after_the_other(weights: Path, workspace: Path) -> None:
    use_experiment("test")
    processes = []
    for number in range(4):
        made = candidate(weights, {"neutral": number / 4}, str(number))
        stages = json.dumps({name: stage.model_dump() for name, stage in vars(made).items()})
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        processes.append(subprocess.Popen([sys.executable, "-c", PROMOTE, stages], **pipes))  # type: ignore[call-overload]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    said = [process.communicate(timeout=120)[0].split() for process in processes]
    assert all(process.returncode == 0 for process in processes)
    assert {version for version, _ in said} == {"1", "2", "3", "4"}
    ledger = read_ledger(NAME)
    assert ledger.faults == ()
    assert sorted(entry.to or "" for entry in ledger.entries) == ["1", "2", "3", "4"], "each moved the champion once"
    assert all(later.before == earlier.to for earlier, later in zip(ledger.entries, ledger.entries[1:], strict=False))
    # Of those that came second nothing is left but their line.
    assert len(ledger.overtaken) <= sum(int(overtaken) for _, overtaken in said)
    last = ledger.entries[-1]
    assert (alias(NAME, CHAMPION), alias(NAME, PREVIOUS)) == (last.to, last.before)


@pytest.fixture
def small_disk(workspace: Path) -> Iterator[Path]:
    """The artifact store on a file system of 2 MiB, where this machine lets us mount one."""
    store = workspace / "mlflow" / "artifacts"
    store.mkdir(parents=True)
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", store], capture_output=True, check=False)
    if mount.returncode:
        pytest.skip(f"cannot mount a small file system: {mount.stderr.decode().strip()}")
    yield store
    subprocess.run(["umount", "--lazy", store], check=True)


def test_a_full_artifact_store_registers_nothing_and_leaves_the_champion(weights: Path, small_disk: Path) -> None:
    use_experiment("test")
    with disable_run_logger(), mlflow.start_run() as run:
        champion = register.fn(PROFILE, candidate(weights, {"neutral": 0.5}, "first"))
        make_champion.fn(NAME, champion, None, "ada", "because", run.info.run_id)
        free = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize
        filler = small_disk / "filler"
        filler.write_bytes(b"0" * (free - 40_000))
        second = candidate(weights, {"neutral": 0.25}, "second")
        with pytest.raises(Exception, match="No space left on device"):
            register.fn(PROFILE, second)
        assert (alias(NAME, CHAMPION), alias(NAME, PREVIOUS)) == (champion, None)
        assert len(mlflow.MlflowClient().search_model_versions(f"name = '{NAME}'")) == 1
        filler.unlink()
        assert register.fn(PROFILE, second) == "2", "once there is room, the same again goes through"
