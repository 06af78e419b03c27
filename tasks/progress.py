"""Long stages show how far they are: a line in the log every ten seconds, and a bar in the Prefect UI."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

from prefect import get_run_logger
from prefect.artifacts import create_progress_artifact, update_progress_artifact

EVERY_SECONDS = 10.0


@contextmanager
def progress_shown(stage: str, description: str, unit: str = "steps") -> Iterator[Callable[[int, int, str], None]]:
    """Yields `show(done, of, text)`, which counts in `unit`; it may be called at any rate, and the last always counts.

    Where the stage fails, the bar stays where it was.
    """
    logger = get_run_logger()
    artifact = create_progress_artifact(progress=0.0, key=f"{stage}-progress", description=description)
    assert isinstance(artifact, UUID)  # a coroutine only inside an event loop, where no stage runs
    shown = time.monotonic()

    def show(done: int, of: int, text: str) -> None:
        nonlocal shown
        if done < of and time.monotonic() - shown < EVERY_SECONDS:
            return
        shown = time.monotonic()
        logger.info("%s: %d of %d %s; %s", stage, done, of, unit, text)
        update_progress_artifact(artifact, progress=100.0 * done / of)

    yield show
