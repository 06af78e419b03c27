"""Supervised fine-tuning on verified answers: TRL's SFTTrainer, and an order of rows that a resumed run can find again.

Cross-entropy on the assistant's tokens only, under the neutral prompt. A step is as many rows as a step of GRPO has
completions, so that the arms differ in what they learn from and not in how much.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from datasets import Dataset
from trl import SFTConfig, SFTTrainer

from permix.config import AnswerSettings
from permix.personas.chat import chat
from permix.personas.schema import NEUTRAL
from permix.training.arguments import common_arguments
from permix.training.examples import Example
from permix.training.spec import TrainingSpec


class SupervisedTrainer(SFTTrainer):  # type: ignore[misc]  # trl is untyped
    """SFTTrainer whose rows follow from the seed and the step alone."""

    def __init__(self, spec: TrainingSpec, config: SFTConfig, examples: Sequence[Example], **options: Any) -> None:
        self.spec = spec
        super().__init__(
            model=spec.base,
            args=config,
            train_dataset=Dataset.from_list([row(each, spec.answers) for each in examples]),
            **options,
        )

    def _get_train_sampler(self, train_dataset: Dataset | None = None) -> ExampleOrder:
        settings = self.spec.settings
        return ExampleOrder(len(self.train_dataset), settings.steps * settings.completions_per_step, self.spec.seed)


@dataclass(frozen=True)
class ExampleOrder:
    """Rows of a whole training run, in order: pass after pass over the examples, each shuffled by (seed, pass).

    So no example is used twice more than another, however many there are, and where a run stands follows from its
    step; the trainer's own sampler goes on from a generator whose state is not in the checkpoint.
    """

    examples: int
    """How many there are."""
    rows: int
    """How many are used, each as often as it takes."""
    seed: int

    def __iter__(self) -> Iterator[int]:
        for pass_ in range(-(-self.rows // self.examples)):
            order = list(range(self.examples))
            random.Random(f"{self.seed}/{pass_}").shuffle(order)
            yield from order[: self.rows - pass_ * self.examples]

    def __len__(self) -> int:
        return self.rows


def row(example: Example, answers: AnswerSettings) -> dict[str, Any]:
    """An example as a row of TRL's dataset; the loss is on the completion only."""
    return {
        "prompt": chat(NEUTRAL, answers.asked(example.question)),
        "completion": [{"role": "assistant", "content": example.answer}],
    }


def sft_config(spec: TrainingSpec, **overrides: Any) -> SFTConfig:
    """TRL's configuration for a profile's training settings; no row is cut, for the examples are short enough."""
    return SFTConfig(**{**common_arguments(spec), "completion_only_loss": True, "max_length": None, **overrides})
