"""What a killed process started ends, in whatever session; what others started does not."""

from __future__ import annotations

import subprocess
import sys
import time

import psutil

SCRIPT = """
import os, subprocess, sys, time
from permix.guard import guarded
with guarded() as mark:
    sleep = [sys.executable, "-c", "import time; time.sleep(60)"]
    started = [
        subprocess.Popen(sleep, env={**os.environ, **mark}, start_new_session=own).pid for own in (False, True)
    ]
    print(*started, flush=True)
    sys.stdin.readline()
"""


def alive(pids: list[int]) -> list[int]:
    return [p for p in pids if psutil.pid_exists(p) and psutil.Process(p).status() != psutil.STATUS_ZOMBIE]


def start() -> tuple[subprocess.Popen[str], list[int]]:
    process = subprocess.Popen([sys.executable, "-c", SCRIPT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, [int(pid) for pid in process.stdout.readline().split()]


def test_what_a_killed_process_started_ends_and_nothing_else() -> None:
    other, others = start()
    process, started = start()
    assert len(alive(started)) == 2
    process.kill()
    process.wait()
    deadline = time.monotonic() + 15
    while alive(started):
        assert time.monotonic() < deadline, "still there"
        time.sleep(0.2)
    assert len(alive(others)) == 2
    for pid in others:
        psutil.Process(pid).kill()
    other.kill()


def test_the_guard_ends_with_an_orderly_end() -> None:
    process, started = start()
    [guard] = [p for p in psutil.Process(process.pid).children() if "permix.guard" in p.cmdline()]
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.close()
    process.wait(10)
    assert alive([guard.pid]) == []
    assert len(alive(started)) == 2, "an orderly end stops its own processes; the guard does not"
    for pid in started:
        psutil.Process(pid).kill()
