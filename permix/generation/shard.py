"""A part of a generation in a process that is given several, one after the other: the model is loaded once.

What a process is told is small: where the model is, not the model. The parts are cut at the borders of batches
(`permix.generation.cache`), and a batch is computed with as many threads as where it was cut, so that sums are rounded
as they would have been there: PyTorch's are rounded differently with one thread and with two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from permix.generation.completion import Chat, Completion, Sampling

if TYPE_CHECKING:
    from permix.generation.local import LanguageModel
    from permix.generation.vllm import Engine


@dataclass(frozen=True)
class Place:
    """A model as any process finds it, and how it is run there."""

    directory: str
    """Of a transformers checkpoint, which every process must be able to read."""
    digest: str
    """Of what is in the directory."""
    backend: Literal["transformers", "vllm"]
    batch_size: int
    """Completions generated at once, by transformers."""
    threads: int
    """Of PyTorch on a processor."""


@dataclass(frozen=True)
class Described:
    """What there is to know of a model that runs elsewhere."""

    runs_as: tuple[str, ...]
    """What its completions follow from besides the weights: device and number type, or the engine."""
    template: str
    """Its chat template."""
    vocabulary: dict[str, int]


def describe(place: Place) -> Described:
    """Load the model, and say what it is. Raises ValueError where there is none."""
    if place.backend == "vllm":
        tokenizer = _engine(place).tokenizer
        return Described(("vllm",), str(tokenizer.chat_template), tokenizer.get_vocab())
    loaded = _model(place)
    runs_as = (loaded.model.device.type, str(loaded.model.dtype))
    return Described(runs_as, str(loaded.tokenizer.chat_template), loaded.tokenizer.get_vocab())


def complete_there(place: Place, prompts: Sequence[Chat], sampling: Sampling) -> list[list[Completion]]:
    """For each prompt, in order, its samples; the same in whichever process."""
    if place.backend == "vllm":
        from permix.generation import vllm

        return vllm.complete(_engine(place), prompts, sampling)
    from permix.generation.local import complete

    return complete(_model(place), prompts, sampling, place.batch_size)


@lru_cache(maxsize=1)
def _model(place: Place) -> LanguageModel:
    import torch

    from permix.generation.local import load

    torch.set_num_threads(place.threads)
    return load(place.directory)


@lru_cache(maxsize=1)
def _engine(place: Place) -> Engine:
    from permix.generation.vllm import load

    return load(place.directory)
