r"""The worker process: reads pairs, asks SymPy, writes rulings. Started by workers.py; holds no state.

One JSON line in (`["gold", "answer"]`), one out (`["correct", "equal"]`); before the first, `"ready"`.

The kernel enforces the limits, so that they hold whatever Python is busy with (a long multiplication never returns to
the interpreter) and whether or not the parent still lives: an interval timer whose signal kills the process, and a
limit on its address space. A worker with nothing to do ends when its standard input closes or its parent is gone.
"""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import sys
from typing import BinaryIO

_PARENT_CHECK_MS = 2_000


def main(cpu_s: float, wall_s: float, memory_mib: int) -> None:
    """Serve until the input ends. Limits are for each pair, except for memory."""
    requests, replies = _private_streams()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for timer_signal in (signal.SIGALRM, signal.SIGPROF):
        signal.signal(timer_signal, signal.SIG_DFL)  # an ignored signal is inherited, and would not kill
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM, signal.SIGPROF})

    from permix.verifier.algebra import proves_equal
    from permix.verifier.settle import settle
    from permix.verifier.verdict import Ruling

    # Twice what the parent allows, for what grows between two of its looks. The parent looks at all because CPython
    # cannot be relied on to raise MemoryError: at this limit 3.11 has been seen to spin until the deadline instead.
    resource.setrlimit(resource.RLIMIT_AS, (memory_mib << 21, memory_mib << 21))
    _write(replies, "ready")
    parent = os.getppid()
    while (line := _next_line(requests, parent)) is not None:
        gold, answer = json.loads(line)
        signal.setitimer(signal.ITIMER_PROF, cpu_s)
        signal.setitimer(signal.ITIMER_REAL, wall_s)
        try:
            ruling = settle(gold, answer, proves_equal)
        except MemoryError:
            ruling = Ruling("incorrect", "out of memory")
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        _write(replies, ruling)


def _private_streams() -> tuple[BinaryIO, BinaryIO]:
    """The pipes to the parent, moved away from standard input and output, where any library may print."""
    requests, replies = os.fdopen(os.dup(0), "rb", buffering=0), os.fdopen(os.dup(1), "wb", buffering=0)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    return requests, replies


def _next_line(requests: BinaryIO, parent: int) -> bytes | None:
    """The next request; None when there will be none.

    A process forked from the parent may hold the pipe open beyond the parent's end, hence the look at the parent.
    """
    poll = select.poll()
    poll.register(requests, select.POLLIN)
    while not poll.poll(_PARENT_CHECK_MS):
        if os.getppid() != parent:
            return None
    return requests.readline() or None


def _write(replies: BinaryIO, value: object) -> None:
    replies.write(json.dumps(value).encode() + b"\n")


if __name__ == "__main__":
    main(float(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]))
