"""One process at a time makes a thing of the workspace; whoever else wants it waits, and finds it made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from permix.workspace import workspace

LOOK_SECONDS = 0.5


@contextmanager
def locked(name: str, waiting: Callable[[Path], None] = lambda _: None) -> Iterator[None]:
    """Hold the workspace's lock of this name (a file name), also against other threads.

    Waits as long as another holds it; `waiting` is told once, with the lock's file. The kernel frees it when its
    holder ends, however it does (Prefect's own FileSystemLockManager leaves the lock of a killed process behind). The
    file stays: to remove it would let two in.
    """
    file = workspace() / "locks" / f"{name}.lock"
    file.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(file)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        waiting(file)
        lock.acquire(poll_interval=LOOK_SECONDS)
    try:
        yield
    finally:
        lock.release()
