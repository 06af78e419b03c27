"""What `python -m flows.<name> PROFILE_JSON_FILE` does for every flow; the `permix` command ends up here."""

from __future__ import annotations

import logging
import os
import signal
import sys
from pathlib import Path
from typing import Any, TypeVar

from prefect import Flow

from permix.config import Profile
from permix.guard import guarded

T = TypeVar("T")

# What tells a person to run the command again, whatever ended it: stages keep what they finished.
AGAIN = "the same command goes on from what was done"


def run_as_command(flow: Flow[..., T]) -> T:
    """Run a flow on the profile in the file that the command line names, and on further parameters as `name=value`.

    Where it fails, the last line on the screen is the error, after Prefect's log has told where it came from.
    """
    # SIGTERM's default would end this process before it has ended the temporary Prefect server, and leave that behind.
    signal.signal(signal.SIGTERM, _exit)
    for handler in logging.getLogger().handlers:
        handler.addFilter(_TracebackOnce())
    file, *arguments = sys.argv[1:]
    profile = Profile.model_validate_json(Path(file).read_text(encoding="utf-8"))
    parameters: dict[str, Any] = dict(argument.split("=", 1) for argument in arguments)
    try:
        with guarded() as mark:
            os.environ.update(mark)
            state: Any = flow(profile, **parameters, return_state=True)
    except KeyboardInterrupt:
        sys.exit(f"\ninterrupted; {AGAIN}")
    if not state.is_completed():
        error = state.result(raise_on_failure=False)
        sys.exit(f"\n{type(error).__name__}: {error}\nmend that; {AGAIN}")
    result: T = state.result()
    return result


class _TracebackOnce(logging.Filter):
    """Prefect logs an error's traceback again for every flow that the error passes through; the first is enough."""

    last: BaseException | None = None

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if error is not None and error is self.last:
            record.exc_info = record.exc_text = None
        self.last = error or self.last
        return True


def _exit(number: int, frame: Any) -> None:
    sys.exit(128 + number)
