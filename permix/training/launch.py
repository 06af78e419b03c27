"""Start a training child, watch it, and never leave it behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping

from permix.reference import Reference, finished
from permix.training.checkpoint import last_checkpoint
from permix.training.parent import parent_environment
from permix.training.progress import Progress, read_progress
from permix.training.spec import TrainingFiles, TrainingSpec

REPORT_SECONDS = 10.0
GRACE_SECONDS = 3.0
LOG_LINES = 15


class TrainingFailed(RuntimeError):
    """The child ended without a result; the message says how, and what comes next."""


def train_in_child(
    spec: TrainingSpec,
    report: Callable[[Progress], None] = lambda _: None,
    environment: Mapping[str, str] | None = None,
    every: float = REPORT_SECONDS,
) -> Reference:
    """Train in a child process and return the finished result; one that is there already is returned as it is.

    `report` is called with the latest step every so many seconds, and once at the end. `environment` is added to the
    child's own. Whatever is raised here meanwhile (a cancellation, Ctrl-C, an error in `report`) ends the child and
    its children within seconds; if this process is killed outright, the child notices and ends itself.

    Raises TrainingFailed. The same call then resumes from the last checkpoint.
    """
    files = spec.files
    if (done := finished(files.result)) is not None:
        return done
    files.root.mkdir(parents=True, exist_ok=True)
    files.spec.write_text(spec.model_dump_json(indent=2) + "\n", encoding="utf-8")
    # What an earlier child did after its last checkpoint is no progress of this one.
    reported = next(reversed(read_progress(files.progress)), None)
    with files.log.open("ab") as log:
        begin = log.tell()
        child = subprocess.Popen(
            [sys.executable, "-W", "ignore::FutureWarning", "-m", "permix.training.child", str(files.spec)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **parent_environment(), "PYTHONUNBUFFERED": "1", **(environment or {})},
            # A group of its own: it ends as a whole, and the terminal's Ctrl-C reaches it through us only.
            start_new_session=True,
        )
    try:
        while True:
            try:
                code = child.wait(timeout=every)
            except subprocess.TimeoutExpired:
                code = None
            steps = read_progress(files.progress)
            if steps and steps[-1] != reported:
                reported = steps[-1]
                report(reported)
            if code is not None:
                break
    finally:
        end_group(child)
    done = finished(files.result)
    if code != 0 or done is None:
        raise TrainingFailed(explain(code, files, begin))
    return done


def end_group(child: subprocess.Popen[bytes]) -> None:
    """End a child and its children: asked first, killed after a few seconds."""
    if child.poll() is None:
        _signal_group(child.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(timeout=GRACE_SECONDS)
    _signal_group(child.pid, signal.SIGKILL)
    child.wait()


def explain(code: int, files: TrainingFiles, begin: int = 0) -> str:
    """Why a child that ended with this code has no result; `begin` is where its part of the log starts, in bytes."""
    checkpoint = last_checkpoint(files.checkpoints)
    goes_on = f"resumes from {checkpoint}" if checkpoint else "starts from the beginning: there is no checkpoint yet"
    with files.log.open("rb") as log:
        log.seek(begin)
        lines = log.read().decode("utf-8", "replace").splitlines()
    return "\n".join(
        [
            f"the training child {_ending(code)}; the same command run again {goes_on}",
            f"last lines of {files.log}:",
            *(f"  {line}" for line in lines[-LOG_LINES:]),
        ]
    )


def _ending(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    name = signal.Signals(-code).name
    return f"was killed by {name}" + (" (by hand, or by the kernel for want of memory)" if name == "SIGKILL" else "")


def _signal_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)
