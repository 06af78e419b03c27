"""Rollouts with plain transformers: what TRL's seam `_generate_single_turn` does, without doing anything twice.

Equal prompts and common beginnings are read once, and a row leaves the batch when it is finished
(permix/generation/decoding.py). A completion is drawn by numbers that follow from (seed, step, how many rollouts the
step had before, row of the whole batch) and from nothing else: a resumed run draws the same, and so does one on more
processes. TRL's own draws follow from each process's generator.

Left out, and done by TRL as ever: vLLM, continuous batching, images, sharded models (FSDP, DeepSpeed: every process
must run the model equally often), and generation options other than temperature, top-k and top-p.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from transformers import GenerationConfig
from trl.models import unwrap_model_for_generation

from permix.generation.decoding import draw, read, reads_shared, write

KNOWN = {"max_new_tokens", "do_sample", "temperature", "top_k", "top_p", "pad_token_id", "bos_token_id", "eos_token_id"}
"""Generation options that are heeded here."""
IDLE = {"disable_compile": True, "repetition_penalty": 1.0, "transformers_version": None}
"""Options that change nothing, by the value at which they do not."""


@dataclass
class Noise:
    """The numbers in [0, 1) that decide which tokens are drawn."""

    seed: int
    _last: tuple[str, int] = ("", -1)
    _calls: int = field(default=0)

    def numbers(self, mode: str, step: int, first: int, rows: int, tokens: int) -> np.ndarray:
        """Numbers for the next rollout of a step, shape (rows, tokens); `first` is the whole batch's row of row 0.

        Rollouts are counted by step and by mode (`train` or `eval`), so that an evaluation in between, which a resumed
        run may not repeat, moves nothing.
        """
        self._calls = self._calls + 1 if self._last == (mode, step) else 0
        self._last = (mode, step)
        key = hashlib.sha256(f"{self.seed}/{mode}/{step}/{self._calls}".encode()).digest()[:16]
        generator = np.random.Generator(np.random.Philox(key=int.from_bytes(key)))
        return generator.random((first + rows, tokens))[first:]


def plain_reason(trainer: Any) -> str | None:
    """Why TRL's own generation must do the rollouts; None if it need not."""
    if trainer.use_vllm or trainer.use_transformers_continuous_batching:
        return "another engine generates"
    if trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled:
        return "the model is sharded"
    if not reads_shared(trainer.model.config):
        return "the model's state is no plain key-value cache"
    if other := _other_options(trainer.generation_config):
        return f"generation options {sorted(other)}"
    return None


def _other_options(config: GenerationConfig) -> set[str]:
    given = config.to_diff_dict()
    return {name for name in given.keys() - KNOWN if name not in IDLE or IDLE[name] not in (None, given[name])}


def roll_out(trainer: Any, noise: Noise, prompts: Sequence[Sequence[int]]) -> list[list[int]]:
    """Token ids of a completion for each prompt, its end token included; the sampled distribution is `generate`'s."""
    config, device = trainer.generation_config, trainer.accelerator.device
    mode = "train" if trainer.model.training else "eval"
    first = trainer.accelerator.process_index * len(prompts)
    numbers = noise.numbers(mode, trainer.state.global_step, first, len(prompts), config.max_new_tokens)
    drawn = torch.from_numpy(numbers).to(device)
    temperature = config.temperature if config.do_sample else 0.0

    def choose(logits: torch.Tensor, going: torch.Tensor, number: int) -> torch.Tensor:
        return draw(logits, drawn[going, number], temperature, config.top_k or 0, config.top_p or 1.0)

    with (
        unwrap_model_for_generation(
            trainer.model_wrapped,
            trainer.accelerator,
            gradient_checkpointing_kwargs=trainer.args.gradient_checkpointing_kwargs,
        ) as model,
        torch.no_grad(),
    ):
        stops = torch.tensor(trainer.eos_token_ids, device=device)
        tokens = write(model, read(model, model.config, prompts, device), choose, stops, config.max_new_tokens)
    lengths = (tokens >= 0).sum(dim=1).tolist()
    return [row[:length] for row, length in zip(tokens.tolist(), lengths, strict=True)]
