"""No process is left behind, however one ends: also by SIGKILL, or by the machine's memory running out.

A guard, in a session of its own, waits for the end of the process that started it and then ends every process whose
environment holds the mark that was handed down. The mark is inherited by what Prefect and MLflow start too, in whatever
session or process group; parents and groups would not find those.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

MARK = "PERMIX_GUARD"
CHECK_SECONDS = 1.0
STOP_SECONDS = 10.0


@contextmanager
def guarded() -> Iterator[dict[str, str]]:
    """Watch over what is started with the yielded variable in its environment, for as long as this process lives."""
    mark = f"{os.getpid()}:{psutil.Process().create_time()}"
    guard = subprocess.Popen([sys.executable, "-m", "permix.guard", mark], start_new_session=True)
    try:
        yield {MARK: mark}
    finally:
        guard.terminate()
        guard.wait()


def watch(mark: str) -> None:
    """Wait for the end of the process that made the mark, then end those that carry it."""
    pid, created = mark.split(":")
    while _lives(int(pid), float(created)):
        time.sleep(CHECK_SECONDS)
    end(mark)


def end(mark: str) -> None:
    """End every process that carries the mark: SIGTERM, after a while SIGKILL."""
    left = _marked(mark)
    for process in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
    _, alive = psutil.wait_procs(left, timeout=STOP_SECONDS)
    # Once more by the mark: what was ending may have started something.
    for process in {*alive, *_marked(mark)}:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def _marked(mark: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get(MARK) == mark:
                found.append(process)
        except psutil.Error:
            continue
    return found


def _lives(pid: int, created: float) -> bool:
    try:
        process = psutil.Process(pid)
        return bool(process.create_time() == created and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


if __name__ == "__main__":
    watch(sys.argv[1])
