"""Which checkpoint is whole?

The trainer writes a checkpoint file by file; one that it was killed over looks like any other. So each is marked by a
manifest when it is complete, and only marked ones count.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from permix.reference import finish, finished


def checkpoint_path(checkpoints: Path, step: int) -> Path:
    """Where transformers' Trainer writes the checkpoint of a step."""
    return checkpoints / f"checkpoint-{step}"


def finish_checkpoint(checkpoints: Path, step: int) -> None:
    """Mark a checkpoint as whole, once the trainer has written all of it.

    Raises OSError where the disk has not taken all of it: some file systems say so only when asked.
    """
    path = checkpoint_path(checkpoints, step)
    for file in sorted(path.rglob("*")):
        if file.is_file():
            with file.open("rb") as written:
                os.fsync(written.fileno())
    finish(path, step=step)


def last_checkpoint(checkpoints: Path) -> Path | None:
    """The newest whole checkpoint; None if there is none."""
    whole = {_step(path): path for path in checkpoints.glob("checkpoint-*") if finished(path) is not None}
    return whole[max(whole)] if whole else None


def remove_unfinished(checkpoints: Path) -> None:
    """Remove what a killed trainer left half-written, so that it neither is resumed from nor displaces a whole one."""
    for path in checkpoints.glob("checkpoint-*"):
        if finished(path) is None:
            shutil.rmtree(path)


def _step(checkpoint: Path) -> int:
    return int(checkpoint.name.rpartition("-")[2])
