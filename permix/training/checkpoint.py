"""Which checkpoint is whole?"""

from __future__ import annotations

import shutil
from pathlib import Path

from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from permix.reference import finish, finished


def checkpoint_path(checkpoints: Path, step: int) -> Path:
    """Where the trainer writes the checkpoint of a step."""
    return checkpoints / f"{PREFIX_CHECKPOINT_DIR}-{step}"


def finish_checkpoint(checkpoints: Path, step: int) -> None:
    """Mark a checkpoint as whole, once the trainer has written all of it."""
    finish(checkpoint_path(checkpoints, step), step=step)


def last_checkpoint(checkpoints: Path) -> Path | None:
    """The newest whole checkpoint; None if there is none. One that a killed trainer left half-written is removed."""
    whole: dict[int, Path] = {}
    for path in checkpoints.glob(f"{PREFIX_CHECKPOINT_DIR}-*"):
        if finished(path) is None:
            shutil.rmtree(path)
        else:
            whole[int(path.name.rpartition("-")[2])] = path
    return whole[max(whole)] if whole else None
