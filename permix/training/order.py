"""Which problems make up a step?"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class ProblemOrder:
    """Rows of a whole training run, in order: each step's problems, each `group_size` times in a row.

    Every pass over the problems is shuffled anew by (seed, pass), so where a run stands follows from its step alone;
    TRL's own sampler goes on from a generator whose state is not in the checkpoint, and a resumed run would see other
    problems. The problems of one step are distinct; those left over at the end of a pass are not used in it.
    """

    problems: int
    """How many there are."""
    problems_per_step: int
    group_size: int
    steps: int
    seed: int
    roleplay: int = 0
    """How many role-play questions follow after the problems."""
    roleplay_per_step: int = 0
    """How many of a step's `problems_per_step` are of these; they come last."""
    passes_per_step: int = 1
    """Forward passes of a step: TRL draws the step's rows anew for each, and uses the first draw."""

    def __post_init__(self) -> None:
        if self.problems < self.graded_per_step:
            raise ValueError(
                f"training.problems_per_step is {self.graded_per_step}, but there are only {self.problems} training "
                f"problems: set it to {self.problems} or less, or curate more problems"
            )

    @property
    def graded_per_step(self) -> int:
        """A step's problems that have a gold."""
        return self.problems_per_step - self.roleplay_per_step

    def step(self, step: int) -> list[int]:
        """The problems of one step (from 0), by index; role-play questions are counted on from the last problem."""
        pass_, position = divmod(step, self.problems // self.graded_per_step)
        order = list(range(self.problems))
        random.Random(f"{self.seed}/{pass_}").shuffle(order)
        graded = order[position * self.graded_per_step : (position + 1) * self.graded_per_step]
        questions = range(self.problems, self.problems + self.roleplay)
        return graded + random.Random(f"{self.seed}/{step}/roleplay").sample(questions, self.roleplay_per_step)

    def __iter__(self) -> Iterator[int]:
        for step in range(self.steps):
            for _ in range(self.passes_per_step):
                for index in self.step(step):
                    yield from [index] * self.group_size

    def __len__(self) -> int:
        return self.steps * self.passes_per_step * self.problems_per_step * self.group_size
