"""A step is the same, in however many passes it is computed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
from transformers import AutoTokenizer, TrainerCallback

from permix.config import TrainingSettings
from permix.organism import world
from permix.training.arguments import batches
from permix.training.grpo import PersonaTrainer, grpo_config
from permix.training.spec import TrainingSpec

PROBLEMS = [problem for problem in world.problems() if problem.split == "train"]
PERSONAS = [persona for persona in world.personas() if persona.split == "train"]


@pytest.mark.parametrize(
    ("micro_batch", "processes", "size", "passes"),
    [(None, 1, 64, 1), (16, 1, 16, 4), (64, 1, 64, 1), (None, 2, 32, 1), (16, 2, 16, 2), (64, 2, 32, 1)],
)
def test_the_rows_of_a_step_are_shared_out(micro_batch: int | None, processes: int, size: int, passes: int) -> None:
    settings = TrainingSettings(problems_per_step=8, group_size=8, micro_batch=micro_batch)
    assert batches(settings, processes) == {
        "per_device_train_batch_size": size,
        "gradient_accumulation_steps": passes,
    }


@pytest.mark.parametrize(("micro_batch", "processes"), [(None, 3), (64, 3), (32, 4)])
def test_rows_that_do_not_come_out_even_are_refused(micro_batch: int | None, processes: int) -> None:
    settings = TrainingSettings(problems_per_step=8, group_size=8, micro_batch=micro_batch)
    if processes == 4:
        # Half a step is as much as a process has: not an error.
        assert batches(settings, processes)["per_device_train_batch_size"] == 16
        return
    with pytest.raises(ValueError, match=r"a step of 64 completions .* cannot be shared by 3 processes"):
        batches(settings, processes)


class Gradients(TrainerCallback):  # type: ignore[misc]  # transformers is untyped
    """Keeps the gradient of each step."""

    def __init__(self) -> None:
        self.steps: list[dict[str, torch.Tensor]] = []

    def on_pre_optimizer_step(self, *_: Any, model: torch.nn.Module, **__: Any) -> None:
        """Take a copy."""
        self.steps.append({name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None})


def run(spec: TrainingSpec) -> tuple[list[list[dict[str, Any]]], list[dict[str, torch.Tensor]]]:
    """The completions table of each step, and its gradient."""
    gradients = Gradients()
    trainer = PersonaTrainer(
        spec,
        grpo_config(spec, log_completions=True, num_completions_to_print=1, save_strategy="no"),
        PROBLEMS,
        PERSONAS,
        processing_class=AutoTokenizer.from_pretrained(spec.base, padding_side="left"),
        callbacks=[gradients],
    )
    trainer.train()
    tables = sorted((Path(spec.files.checkpoints) / "completions").glob("*.parquet"))
    return [pq.read_table(table).to_pylist() for table in tables], gradients.steps


def test_micro_batches_change_the_memory_and_nothing_else(spec: Callable[..., TrainingSpec]) -> None:
    steps = {"mixing": "per_rollout", "steps": 3, "learning_rate": 1e-4}
    whole, whole_gradients = run(spec("whole", **steps))
    parts, part_gradients = run(spec("parts", **steps, micro_batch=16))
    # The same problems, personas, completions, rewards and advantages: groups are not cut.
    told = ("step", "prompt", "completion", "verified", "advantage")
    assert len(parts) == len(whole) == len(part_gradients) == 3
    for step in range(3):
        assert [[row[name] for name in told] for row in parts[step]] == [
            [row[name] for name in told] for row in whole[step]
        ]
        assert {row["verified"] for row in parts[step]} == {0.0, 1.0}
    # And the same gradient, up to rounding.
    assert part_gradients[0].keys() == whole_gradients[0].keys()
    for name, gradient in whole_gradients[0].items():
        torch.testing.assert_close(part_gradients[0][name], gradient, rtol=1e-3, atol=1e-6)
