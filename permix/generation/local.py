"""Completions by a transformers model in this process, on the CPU or a GPU.

Prompts are sorted by length into batches (left padding), the samples of a prompt share its prefill, and a row leaves
the batch when it is finished. `model.generate` does none of the three, and draws its noise batch by batch, so that a
completion depends on its neighbours. Here each row has noise of its own, keyed by (seed, sample, prompt), and a token
is the inverse of the cumulative distribution at that noise: a completion is the same in any batch, except where
rounding moves a boundary across the drawn number. (Of 5,040 completions of the organism in float32, none differed
between batches of 2,048 in one order and of 100 in the other; bfloat16 rounds more coarsely.) Two models asked the
same thing with the same seed also share the noise, which narrows their paired difference.

Left out: beam search, encoder-decoder models, and models whose state is no key-value cache.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    DynamicCache,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from permix.generation.completion import Chat, Completion, Sampling


@dataclass(frozen=True)
class LanguageModel:
    """A model and its tokenizer, loaded."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerFast

    @property
    def stops(self) -> torch.Tensor:
        """Ids of the tokens that end a completion."""
        ends = self.model.generation_config.eos_token_id
        ends = [self.tokenizer.eos_token_id] if ends is None else ends
        return torch.tensor(ends, device=self.model.device).reshape(-1)


def load(directory: Path | str, device: str | None = None) -> LanguageModel:
    """Load a transformers checkpoint with its tokenizer: float32 on a CPU, as saved on a GPU.

    Raises ValueError where there is no checkpoint, or its tokenizer has no chat template.
    """
    if not (Path(directory) / "config.json").is_file():
        raise ValueError(
            f"{directory} holds no model: config.json is missing; give a transformers checkpoint directory"
        )
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    tokenizer = AutoTokenizer.from_pretrained(directory, local_files_only=True, trust_remote_code=False)
    if not tokenizer.chat_template:
        raise ValueError(f"the tokenizer in {directory} has no chat template, so a persona cannot be put to the model")
    model = AutoModelForCausalLM.from_pretrained(
        directory,
        dtype=torch.float32 if device == "cpu" else "auto",
        local_files_only=True,
        trust_remote_code=False,
        use_safetensors=True,
    )
    return LanguageModel(model.to(device).eval(), tokenizer)


def complete(
    language_model: LanguageModel,
    prompts: Sequence[Chat],
    sampling: Sampling,
    batch_size: int = 64,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> list[list[Completion]]:
    """For each prompt, in order, its samples.

    `batch_size` counts completions (those of one prompt are never parted); `report` hears (done, total) of them.
    Raises ValueError if a prompt leaves no room for max_tokens in the model's context.
    """
    tokenizer = language_model.tokenizer
    texts = [tokenizer.apply_chat_template(list(p), tokenize=False, add_generation_prompt=True) for p in prompts]
    encoded: list[list[int]] = tokenizer(texts, add_special_tokens=False)["input_ids"] if texts else []
    _check_room(language_model.model, encoded, texts, sampling)
    completions: list[list[Completion]] = [[] for _ in prompts]
    done = 0
    for rows in _batches(encoded, max(1, batch_size // sampling.samples)):
        noise = np.stack([_noise(texts[row], sample, sampling) for row in rows for sample in sampling.numbers])
        tokens = _generate(language_model, [encoded[row] for row in rows], noise, sampling)
        written = _read(language_model, tokens)
        for i, row in enumerate(rows):
            completions[row] = written[i * sampling.samples : (i + 1) * sampling.samples]
        done += len(written)
        report(done, len(prompts) * sampling.samples)
    return completions


def _check_room(model: PreTrainedModel, encoded: list[list[int]], texts: list[str], sampling: Sampling) -> None:
    room = getattr(model.config, "max_position_embeddings", None)
    for ids, text in zip(encoded, texts, strict=True):
        if room is not None and len(ids) + sampling.max_tokens > room:
            raise ValueError(
                f"a prompt of {len(ids)} tokens and {sampling.max_tokens} to be written do not fit the model's context "
                f"of {room}; lower max_completion_tokens or drop the prompt that begins {text[:80]!r}"
            )


def _batches(encoded: list[list[int]], size: int) -> Iterator[list[int]]:
    """Row numbers, longest prompts first: what does not fit in memory fails at once, not after an hour."""
    order = sorted(range(len(encoded)), key=lambda row: -len(encoded[row]))
    for start in range(0, len(order), size):
        yield order[start : start + size]


def _noise(text: str, sample: int, sampling: Sampling) -> np.ndarray:
    """One number in [0, 1) for each token of a completion, shape (max_tokens,)."""
    key = hashlib.sha256(f"{sampling.seed}/{sample}/{text}".encode()).digest()[:16]
    return np.random.Generator(np.random.Philox(key=int.from_bytes(key))).random(sampling.max_tokens)


@torch.inference_mode()
def _generate(
    language_model: LanguageModel, encoded: list[list[int]], noise: np.ndarray, sampling: Sampling
) -> torch.Tensor:
    """Token ids, shape (rows × samples, written), each row filled with -1 after its end."""
    model = language_model.model
    width = max(map(len, encoded))
    ids = torch.tensor([[0] * (width - len(row)) + row for row in encoded], device=model.device)
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in encoded], device=model.device)
    positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
    drawn = torch.from_numpy(noise).to(model.device)
    stops = language_model.stops
    cache = DynamicCache(config=model.config)
    logits = _forward(model, ids, mask, positions, cache)
    if sampling.samples > 1:
        cache.batch_repeat_interleave(sampling.samples)
        logits, mask, positions = (t.repeat_interleave(sampling.samples, dim=0) for t in (logits, mask, positions))
    tokens = torch.full((len(drawn), sampling.max_tokens), -1, device=model.device)
    going = torch.arange(len(drawn), device=model.device)
    last = positions[:, -1:]
    for step in range(sampling.max_tokens):
        chosen = _choose(logits, drawn[going, step], sampling)
        tokens[going, step] = chosen
        kept = torch.isin(chosen, stops, invert=True).nonzero().squeeze(1)
        if len(kept) == 0 or step + 1 == sampling.max_tokens:
            break
        if len(kept) < len(going):
            cache.batch_select_indices(kept)
            going, chosen, mask, last = going[kept], chosen[kept], mask[kept], last[kept]
        last = last + 1
        mask = torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)
        logits = _forward(model, chosen[:, None], mask, last, cache)
    return tokens


def _forward(
    model: PreTrainedModel, ids: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor, cache: DynamicCache
) -> torch.Tensor:
    """Logits of the next token, shape (rows, vocabulary)."""
    outputs = model(
        input_ids=ids,
        attention_mask=mask,
        position_ids=positions,
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
    )
    logits: torch.Tensor = outputs.logits[:, -1].float()
    return logits


def _choose(logits: torch.Tensor, drawn: torch.Tensor, sampling: Sampling) -> torch.Tensor:
    """One token a row, shape (rows,): the first whose cumulative probability exceeds the drawn number."""
    if sampling.temperature == 0:
        return logits.argmax(dim=-1)
    logits = logits / sampling.temperature
    if sampling.top_k:
        logits = TopKLogitsWarper(sampling.top_k)(None, logits)
    if sampling.top_p < 1:
        logits = TopPLogitsWarper(sampling.top_p)(None, logits)
    # In double precision, because a large vocabulary's sum in float32 moves boundaries by more than a rare token.
    total = logits.softmax(dim=-1).cumsum(dim=-1, dtype=torch.float64)
    # Scaled by the sum, which is 1 only up to rounding, and clamped: a drawn 0.9999999 must stay in the vocabulary.
    chosen = torch.searchsorted(total, (drawn * total[:, -1])[:, None], right=True).squeeze(1)
    return chosen.clamp(max=logits.shape[-1] - 1)


def _read(language_model: LanguageModel, tokens: torch.Tensor) -> list[Completion]:
    lengths = (tokens >= 0).sum(dim=1).tolist()
    rows = [row[:length] for row, length in zip(tokens.tolist(), lengths, strict=True)]
    texts = language_model.tokenizer.batch_decode(rows, skip_special_tokens=True)
    stops = set(language_model.stops.tolist())
    return [Completion(text.strip(), len(row), row[-1] in stops) for row, text in zip(rows, texts, strict=True)]
