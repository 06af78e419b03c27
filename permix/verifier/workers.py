"""The worker processes: started when first needed, shared by all threads of a process, killed and replaced at need.

Why not pebble's pool, which also has deadlines (measured on pebble 5.2.3): multiprocessing runs the caller's main
module again in every worker it spawns, so that a training script without a `__main__` guard breaks the pool or
trains in each worker; and a worker that computes when its parent is killed computes on for ever. These workers run
their own module, and the kernel ends them at their deadline.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic

import psutil

from permix.verifier.verdict import Ruling

CPU_S = 5.0
"""Processor time for one pair. Processor time, so that a busy machine does not change a verdict."""
WALL_S = 20.0
"""Time by the clock for one pair, whatever the machine does."""
MEMORY_MIB = 512
"""Memory of a worker; SymPy itself takes about 70."""
COUNT = min(4, os.cpu_count() or 1)
"""Workers at most, in one process."""

_START_S = 120.0
_LOOK_MS = 50  # how often a busy worker's memory is looked at
_PAIRS_PER_WORKER = 300  # SymPy's caches grow; a fresh worker costs 0.4 s
_ROOT = str(Path(__file__).resolve().parents[2])
_START = "import sys; sys.path.insert(0, sys.argv.pop(1)); from permix.verifier.worker import main; main({}, {}, {})"


class WorkerError(RuntimeError):
    """A worker process cannot be started: the installation is at fault, not an answer."""


class Workers:
    """A few worker processes. Any thread may ask; each pair goes to one worker, and costs at most its own worker."""

    def __init__(
        self, count: int = COUNT, cpu_s: float = CPU_S, wall_s: float = WALL_S, memory_mib: int = MEMORY_MIB
    ) -> None:
        self.count = count
        self.limits = (cpu_s, wall_s, memory_mib)
        self.free = threading.Semaphore(count)
        self.lock = threading.Lock()
        self.idle: list[_Worker] = []
        self.alive: set[_Worker] = set()

    def rule(self, pairs: Sequence[tuple[str, str]]) -> list[Ruling]:
        """Rulings on pairs of gold and answer, in order. Raises WorkerError if no worker can be started."""
        if len(pairs) <= 1 or self.count == 1:
            return [self._rule_one(pair) for pair in pairs]
        with ThreadPoolExecutor(min(self.count, len(pairs)), thread_name_prefix="verifier") as threads:
            return list(threads.map(self._rule_one, pairs))

    def close(self) -> None:
        """End all workers, also those at work."""
        with self.lock:
            workers, self.alive, self.idle = self.alive, set(), []
        for worker in workers:
            worker.kill()

    def forget(self) -> None:
        """Let go of workers that belong to the process this one was forked from, without touching them."""
        for worker in self.alive:
            worker.release()

    def _rule_one(self, pair: tuple[str, str]) -> Ruling:
        with self.free:
            worker = self._take()
            usable = False
            try:
                ruling = worker.ask(pair)
                usable = worker.asked < _PAIRS_PER_WORKER and ruling.reason not in _FATAL
            finally:
                with self.lock:
                    usable = usable and worker in self.alive
                    if usable:
                        self.idle.append(worker)
                    else:
                        self.alive.discard(worker)
                if not usable:
                    worker.kill()
            return ruling

    def _take(self) -> _Worker:
        with self.lock:
            while self.idle:
                worker = self.idle.pop()
                if worker.process.poll() is None:
                    return worker
                self.alive.discard(worker)
                worker.release()
        worker = _Worker(self.limits)
        with self.lock:
            self.alive.add(worker)
        return worker


_FATAL = frozenset({"timed out", "out of memory", "crashed"})


class _Worker:
    def __init__(self, limits: tuple[float, float, int]) -> None:
        self.asked = 0
        self.grew_too_big = False
        self.patience_s = limits[1] + 5.0
        self.memory_bytes = limits[2] << 20
        self.process = subprocess.Popen(
            [sys.executable, "-c", _START.format(*limits), _ROOT],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,  # Ctrl-C is for the parent; the worker ends with it
            # SymPy's way through an expression follows the order of sets; a pair shall have one verdict for ever.
            env=os.environ | {"PYTHONHASHSEED": "0"},
        )
        if self._line(_START_S) != b'"ready"\n':
            self.kill()
            raise WorkerError(
                f"the verifier's worker did not start (exit code {self.process.returncode}, its own error is on "
                f"standard error); try: {sys.executable} -m permix.verifier.worker 5 20 512 < /dev/null"
            )

    def ask(self, pair: tuple[str, str]) -> Ruling:
        self.asked += 1
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # dead already: then there is no line to read either
            self.process.stdin.write(json.dumps(pair).encode() + b"\n")
        line = self._line(self.patience_s)
        if line.endswith(b"\n"):
            return Ruling(*json.loads(line))
        killed_by_us = self.process.poll() is None
        self.kill()
        if self.grew_too_big:
            return Ruling("incorrect", "out of memory")
        timed_out = killed_by_us or self.process.returncode in {-signal.SIGALRM, -signal.SIGPROF}
        return Ruling("incorrect", "timed out" if timed_out else "crashed")

    def _is_too_big(self) -> bool:
        with contextlib.suppress(psutil.Error):  # it has ended; the caller will see that
            return bool(psutil.Process(self.process.pid).memory_info().rss > self.memory_bytes)
        return False

    def kill(self) -> None:
        self.process.kill()
        self.release()
        self.process.wait()

    def release(self) -> None:
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            stream.close()

    def _line(self, timeout_s: float) -> bytes:
        """A line from the worker; what there is of it if the worker ends, grows too big, or the time is up."""
        assert self.process.stdout is not None
        descriptor = self.process.stdout.fileno()
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        line, end = b"", monotonic() + timeout_s
        while not line.endswith(b"\n"):
            if not poll.poll(_LOOK_MS):
                self.grew_too_big = self._is_too_big()
                if self.grew_too_big or monotonic() > end:
                    return line
                continue
            part = os.read(descriptor, 65_536)
            if not part:
                self.process.wait()
                return line
            line += part
        return line


_shared: Workers | None = None
_shared_lock = threading.Lock()


def shared() -> Workers:
    """The workers of this process."""
    global _shared
    with _shared_lock:
        if _shared is None:
            _shared = Workers()
            atexit.register(_shared.close)
        return _shared


def _after_fork() -> None:
    """A forked child has the parent's pipes and none of its threads: it must start workers of its own."""
    global _shared, _shared_lock
    if _shared is not None:
        _shared.forget()
        atexit.unregister(_shared.close)
    _shared, _shared_lock = None, threading.Lock()


os.register_at_fork(after_in_child=_after_fork)
