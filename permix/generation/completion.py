"""What is asked of a model and what comes back, whatever runs the model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Chat = Sequence[dict[str, str]]
"""Messages of one conversation, each with `role` and `content`; the model writes the next turn."""


@dataclass(frozen=True)
class Sampling:
    """How completions are drawn. The defaults sample from the model's own distribution, unchanged."""

    max_tokens: int
    """A completion is cut here."""
    temperature: float = 1.0
    """0 is greedy: the likeliest token each time."""
    top_k: int = 0
    """Draw among this many likeliest tokens only; 0 is all of them."""
    top_p: float = 1.0
    """Draw among the likeliest tokens that hold this share of the probability; 1 is all of them."""
    samples: int = 1
    """Completions for each prompt."""
    first: int = 0
    """Number of the first of them: with `first=4`, those that follow the first four."""
    seed: int = 0
    """A completion follows from the model, its prompt, its number among the samples, and this."""

    def __post_init__(self) -> None:
        """Refuse what no model could do."""
        if self.max_tokens < 1 or self.samples < 1 or self.first < 0:
            raise ValueError(f"need max_tokens >= 1, samples >= 1 and first >= 0, not {self}")
        if self.temperature < 0 or self.top_k < 0 or not 0 < self.top_p <= 1:
            raise ValueError(f"need temperature >= 0, top_k >= 0 and 0 < top_p <= 1, not {self}")

    @property
    def numbers(self) -> range:
        """Numbers of the samples of a prompt, in order."""
        return range(self.first, self.first + self.samples)

    def seed_of(self, prompt: Chat, sample: int) -> int:
        """The seed of one completion, for engines that take one: below 2^31, which every engine can hold."""
        text = json.dumps([self.seed, sample, list(prompt)], sort_keys=True)
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4]) >> 1


@dataclass(frozen=True)
class Completion:
    """What the model wrote."""

    text: str
    """Without special tokens."""
    tokens: int
    """How many it took, the end token included."""
    finished: bool
    """Whether the model ended it; else it was cut at max_tokens."""


Generate = Callable[[Sequence[Chat], Sampling], list[list[Completion]]]
"""Anything that completes prompts: for each prompt, in order, its samples."""
