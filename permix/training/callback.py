"""What the child does beside training: it reports each step, marks whole checkpoints, and stops when it diverges."""

from __future__ import annotations

import math
import time
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from permix.training.checkpoint import finish_checkpoint
from permix.training.progress import Progress, append_progress, forget_progress
from permix.training.spec import TrainingFiles


class Diverged(ArithmeticError):
    """The loss or its gradient is no longer a number."""


class Bookkeeping(TrainerCallback):  # type: ignore[misc]  # transformers is untyped
    """Writes progress and marks checkpoints, in the main process only."""

    def __init__(self, files: TrainingFiles) -> None:
        self._files = files
        self._start = 0.0

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Start the clock, and forget what was done after the checkpoint."""
        self._start = time.monotonic()
        if state.is_world_process_zero:
            forget_progress(self._files.progress, after=state.global_step)

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, logs: dict[str, Any], **_: Any
    ) -> None:
        """Report a step. Raises Diverged before a step whose loss or gradient is no number reaches a checkpoint."""
        if "loss" not in logs:
            return  # the trainer's summary at the end
        for what in ("loss", "grad_norm"):
            if not math.isfinite(logs[what]):
                raise Diverged(
                    f"{what} is {logs[what]} at step {state.global_step}: set a lower training.learning_rate, "
                    "or a higher training.kl"
                )
        if state.is_world_process_zero:
            progress = Progress(
                step=state.global_step,
                steps=state.max_steps,
                # The supervised arms have no rewards and write nothing.
                reward=logs.get("reward"),
                kl=logs.get("kl"),
                entropy=logs["entropy"],
                length=logs.get("completions/mean_length"),
                zero_advantage=logs.get("frac_reward_zero_std"),
                seconds=round(time.monotonic() - self._start, 3),
                loss=logs["loss"],
            )
            append_progress(self._files.progress, progress)

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Mark the checkpoint as whole."""
        if state.is_world_process_zero:
            finish_checkpoint(self._files.checkpoints, state.global_step)
