"""How far is a training? The child appends lines of JSON; whoever watches reads them."""

from __future__ import annotations

import json
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from permix.training.checkpoint import finish_checkpoint
from permix.training.spec import TrainingSpec


@dataclass(frozen=True)
class Progress:
    """One optimizer step."""

    step: int
    steps: int
    reward: float | None
    """Mean over the step's completions; None if none could be graded."""
    kl: float | None
    entropy: float
    length: float
    """Mean tokens of a completion."""
    zero_advantage: float
    """Share of groups whose members all got the same reward, and so teach nothing."""
    seconds: float
    """Time since the child's first step."""


class ProgressWriter(TrainerCallback):  # type: ignore[misc]  # transformers is untyped
    """Writes a line a step, marks whole checkpoints, and stops a diverging run."""

    def __init__(self, spec: TrainingSpec) -> None:
        self._files = spec.files
        self._start = 0.0

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Forget the steps after the checkpoint: they are done again."""
        self._start = time.monotonic()
        kept = [line for line in read_progress(self._files.progress) if line.step <= state.global_step]
        self._files.root.mkdir(parents=True, exist_ok=True)
        self._files.progress.write_text("".join(_line(one) for one in kept), encoding="utf-8")

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float],
        **_: Any,
    ) -> None:
        """Append the step; raises FloatingPointError on a loss that is not a number."""
        if "loss" not in logs:
            return  # the trainer's summary at the end
        if not math.isfinite(logs["loss"]):
            raise FloatingPointError(f"the loss is {logs['loss']} at step {state.global_step}")
        progress = Progress(
            step=state.global_step,
            steps=state.max_steps,
            reward=logs["reward"],
            kl=logs.get("kl"),
            entropy=logs["entropy"],
            length=logs["completions/mean_length"],
            zero_advantage=logs["frac_reward_zero_std"],
            seconds=round(time.monotonic() - self._start, 3),
        )
        with self._files.progress.open("a", encoding="utf-8") as file:
            file.write(_line(progress))

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Mark the checkpoint as whole."""
        finish_checkpoint(self._files.checkpoints, state.global_step)


def read_progress(file: Path) -> list[Progress]:
    """The steps so far; a line that is still being written is left out."""
    if not file.is_file():
        return []
    text = file.read_text(encoding="utf-8")
    return [Progress(**json.loads(line)) for line in text[: text.rfind("\n") + 1].splitlines()]


def _line(progress: Progress) -> str:
    return json.dumps(asdict(progress)) + "\n"
