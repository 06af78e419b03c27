from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from permix.lock import locked

# Makes a directory that must not be there, and takes its time over it.
MAKE = """
import sys, time
from pathlib import Path
from permix.lock import locked
made = Path(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
with locked("thing", lambda file: print(f"waiting for {file.name}")):
    if made.is_dir():
        print("found")
    else:
        time.sleep(1)
        made.mkdir()
        print("made")
"""
HOLD = "import time\nfrom permix.lock import locked\nwith locked('thing'): print('held', flush=True); time.sleep(60)"


def start(code: str, workspace: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, "PERMIX_WORKSPACE": str(workspace)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_of_three_processes_one_makes_it_and_the_others_wait_and_find_it(tmp_path: Path) -> None:
    processes = [start(MAKE, tmp_path, str(tmp_path / "made")) for _ in range(3)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    said = []
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    for process in processes:
        said.append(process.communicate(timeout=60)[0])
        assert process.returncode == 0, said
    assert sorted(said) == ["made\n", *["waiting for thing.lock\nfound\n"] * 2]


def test_a_killed_holder_holds_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERMIX_WORKSPACE", str(tmp_path))
    holder = start(HOLD, tmp_path)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    begin, waited = time.monotonic(), []
    with locked("another"):
        pass

    def kill(file: Path) -> None:
        waited.append(file)
        holder.kill()
        holder.wait()

    with locked("thing", kill):
        assert waited == [tmp_path / "locks" / "thing.lock"]
    assert time.monotonic() - begin < 30
