"""Parent and child: one training at a time in a directory, and none without the process that watches it."""

from __future__ import annotations

import fcntl
import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil

PARENT = "PERMIX_PARENT"
"""Environment variable with the watching process: its id, and when it was created (an id alone is used again)."""
CHECK_SECONDS = 1.0


def parent_environment() -> dict[str, str]:
    """What a process gives its children so that they end with it."""
    return {PARENT: f"{os.getpid()}:{psutil.Process().create_time()}"}


def end_with_parent(environment: Mapping[str, str] = os.environ) -> None:
    """Watch the process named in the environment, and the one that started this one (accelerate's launcher, where one
    stands between); kill this process's group within two seconds of the end of either.

    Looking is the one way that works for a parent killed by SIGKILL, for grandchildren, and wherever psutil does: the
    kernel's own signal (PR_SET_PDEATHSIG) follows the parent's thread, not the parent, and only on Linux. A process
    whose environment names no parent (started by hand) is left alone.
    """
    if PARENT in environment:
        pid, created = environment[PARENT].split(":")
        threading.Thread(target=_watch, args=(int(pid), float(created), os.getppid()), daemon=True).start()


def _watch(pid: int, created: float, starter: int) -> None:
    while _lives(pid, created) and os.getppid() == starter:
        time.sleep(CHECK_SECONDS)
    os.killpg(os.getpgrp(), signal.SIGKILL)


def _lives(pid: int, created: float) -> bool:
    try:
        process = psutil.Process(pid)
        lives: bool = process.create_time() == created and process.status() != psutil.STATUS_ZOMBIE
        return lives
    except psutil.NoSuchProcess:
        return False


@contextmanager
def only_one(lock: Path, wait: float = 10.0) -> Iterator[None]:
    """Hold a lock file, with this process's id in it; the kernel frees it when the process ends, however it does.

    Waits a little: the child of a killed parent takes two seconds to end. Raises RuntimeError if it is still held.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + wait
    with lock.open("a+") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    file.seek(0)
                    raise RuntimeError(
                        f"process {file.read()} is training in {lock.parent}: wait for it, or end it, and run again"
                    ) from None
                time.sleep(0.2)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
