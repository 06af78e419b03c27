"""Now and then, what the policy writes and how each persona does: tables for a person to read.

`completions/step-00050.html` shows a step's groups for reading, `.csv` the same rows for sorting and for programs;
`personas.html` and `personas.csv` hold the learning curve of every persona (as metrics they would be hundreds). They
lie in the training's directory, from where the training stage logs them to MLflow, whose page shows both formats. So
would it what mlflow.log_table writes, but that appends when a resumed run does a step again, and keeps the list of its
tables in a tag of 8,000 characters.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from permix.personas.schema import NEUTRAL
from permix.training.pages import completions_page, personas_page
from permix.training.spec import TrainingFiles


class Tables(TrainerCallback):  # type: ignore[misc]  # transformers is untyped
    """Writes the tables of a PersonaTrainer every so many steps and after the last, in the main process only."""

    def __init__(self, trainer: Any, files: TrainingFiles, every: int) -> None:
        self._trainer = trainer
        self._root = files.tables
        self._every = every

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Write the tables of the step that has just ended."""
        step = state.global_step
        if not state.is_world_process_zero or (step % self._every and step != state.max_steps):
            return
        kinds = {persona.id: persona.kind for persona in (NEUTRAL, *self._trainer.personas)}
        completions = completion_rows(self._trainer._logs, step, kinds)
        page = self._root / "completions" / f"step-{step:05}.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(completions_page(completions), encoding="utf-8")
        table = page.with_suffix(".csv")
        write_csv(table, completions)

        curves = self._root / "personas.csv"
        # What was written of this step, or of later ones, was written before a checkpoint that the run went back to.
        earlier = [row for row in read_persona_rows(curves) if row["step"] < step]
        personas = [*earlier, *persona_rows(self._trainer, step, kinds)]
        write_csv(curves, personas)
        curves.with_suffix(".html").write_text(personas_page(personas), encoding="utf-8")


def completion_rows(logs: Mapping[str, Any], step: int, kinds: Mapping[str, str]) -> list[dict[str, Any]]:
    """The step's completions in the order of the batch, from what TRL keeps of the last step (of all processes)."""
    extra = logs["extra"]
    return [
        {
            "step": step,
            "problem": extra["problem"][n],
            "question": prompt[-1]["content"],
            "gold": extra["gold"][n],
            "persona": extra["persona"][n],
            "kind": kinds[extra["persona"][n]],
            "completion": logs["completion"][n][0]["content"],
            "verdict": extra["verdict"][n],
            "answer": extra["answer"][n],
            "reason": extra["reason"][n],
            "advantage": round(logs["advantages"][n], 4),
        }
        for n, prompt in enumerate(logs["prompt"])
    ]


def persona_rows(trainer: Any, step: int, kinds: Mapping[str, str]) -> list[dict[str, Any]]:
    """How each persona did from the start of the training, and how often it is drawn; weight None: by no weight."""
    weights = {} if trainer.mixing == "none" else trainer.weights()
    return [
        {"step": step, "persona": persona, "kind": kinds[persona], **tally, "weight": weights.get(persona)}
        for persona, tally in sorted(trainer.tallies.items())
    ]


def read_persona_rows(file: Path) -> list[dict[str, Any]]:
    """The rows of `personas.csv`; none if it is not there."""
    if not file.is_file():
        return []
    numbers = {"step": int, "graded": int, "correct": int, "running": float, "weight": float}
    with file.open(encoding="utf-8", newline="") as lines:
        rows: list[dict[str, Any]] = [*csv.DictReader(lines)]
    return [{key: None if value == "" else numbers.get(key, str)(value) for key, value in row.items()} for row in rows]


def write_csv(file: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows that have the same keys; the file is there whole or not at all."""
    part = file.with_suffix(".part")
    with part.open("w", encoding="utf-8", newline="") as lines:
        writer = csv.DictWriter(lines, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    part.replace(file)
