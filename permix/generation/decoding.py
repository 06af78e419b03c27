"""Reading prompts and writing tokens with a transformers model, many rows at once, without doing anything twice.

`model.generate` reads every prompt in full and goes on with every row until the last has ended. Here

- equal prompts are read once (the members of a GRPO group, the samples of a prompt), and so is the beginning that
  many prompts have in common (a persona's system prompt);
- a row leaves the batch when it is finished.

Nothing of this changes what is computed for a row, up to rounding. Left out: models whose state is no plain
key-value cache (see `reads_shared`), beam search.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from transformers import DynamicCache, PretrainedConfig, TopKLogitsWarper, TopPLogitsWarper
from transformers.cache_utils import DynamicLayer

Prompts = Sequence[Sequence[int]]
Choose = Callable[[torch.Tensor, torch.Tensor, int], torch.Tensor]
"""(logits of shape (going, vocabulary), which rows are going, number of the token from 0) -> a token for each."""


@dataclass
class Reading:
    """Prompts that a model has read, a row each; the gradient flows through them where it is enabled."""

    cache: DynamicCache
    """Keys and values, shape (rows, heads, width, dimension) in each layer."""
    mask: torch.Tensor
    """1 where a row has a token, shape (rows, width)."""
    logits: torch.Tensor
    """Of the next token, shape (rows, vocabulary)."""


def reads_shared(config: PretrainedConfig) -> bool:
    """Whether a model's whole state is keys and values of every token, which is what rows can share."""
    return all(type(layer) is DynamicLayer for layer in DynamicCache(config=config).layers)


def read(model: torch.nn.Module, config: PretrainedConfig, prompts: Prompts, device: torch.device) -> Reading:
    """Read prompts of at least one token each; `model` may be wrapped, `config` is the one of what is in it."""
    rows = [tuple(prompt) for prompt in prompts]
    distinct = sorted(set(rows))
    # A sliding window counts places, not tokens: it would hold padding instead of tokens.
    shared = shared_width(distinct) if reads_shared(config) else 0
    cache = DynamicCache(config=config)
    if shared:
        heads = sorted({prompt[:shared] for prompt in distinct})
        number = {head: n for n, head in enumerate(heads)}
        model(input_ids=torch.tensor(heads, device=device), past_key_values=cache, use_cache=True, logits_to_keep=1)
        cache.reorder_cache(torch.tensor([number[prompt[:shared]] for prompt in distinct], device=device))
    # What is left of each prompt, with its padding between it and the beginning: masked, and no position is lost.
    width = max(map(len, distinct)) - shared
    filled = [[0] * (width + shared - len(prompt)) + list(prompt[shared:]) for prompt in distinct]
    holes = [[1] * shared + [0] * (width + shared - len(prompt)) + [1] * (len(prompt) - shared) for prompt in distinct]
    mask = torch.tensor(holes, device=device)
    positions = (mask.cumsum(dim=1) - 1).clamp(min=0)[:, shared:]
    logits = step(model, torch.tensor(filled, device=device), mask, positions, cache)
    if rows != distinct:
        place = {prompt: n for n, prompt in enumerate(distinct)}
        order = torch.tensor([place[row] for row in rows], device=device)
        cache.reorder_cache(order)
        mask, logits = mask.index_select(0, order), logits.index_select(0, order)
    return Reading(cache, mask, logits)


def shared_width(distinct: Sequence[tuple[int, ...]]) -> int:
    """How many tokens at the beginning to read once for all prompts that have them in common; 0 is none.

    The one width for which the fewest tokens are read, of sorted prompts without repetition. One width for all leaves
    the beginnings without padding; a shared beginning that is longer than the shortest prompt is not used to its end.
    """
    widest, shortest = max(map(len, distinct)), min(map(len, distinct))
    common = np.sort([_common(a, b) for a, b in pairwise(distinct)])
    widths = np.arange(shortest)  # the last token is always read by each, because it has the logits
    beginnings = 1 + np.searchsorted(common, widths)
    tokens = beginnings * widths + len(distinct) * (widest - widths)
    return int(tokens.argmin())


def _common(a: tuple[int, ...], b: tuple[int, ...]) -> int:
    return next((n for n, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def write(
    model: torch.nn.Module, reading: Reading, choose: Choose, stops: torch.Tensor, max_tokens: int
) -> torch.Tensor:
    """Token ids on the device of `stops`, shape (rows, max_tokens): each row filled with -1 after its end.

    A row ends with one of `stops`, or is cut at `max_tokens`. What was read is used up.
    """
    cache, logits = reading.cache, reading.logits
    rows, width = reading.mask.shape
    tokens = torch.full((rows, max_tokens), -1, device=stops.device)
    going = torch.arange(rows, device=stops.device)
    position = reading.mask.sum(dim=1, keepdim=True)
    mask = torch.cat([reading.mask, reading.mask.new_ones(rows, max_tokens)], dim=1)
    for number in range(max_tokens):
        chosen = choose(logits, going, number)
        tokens[going, number] = chosen
        kept = torch.isin(chosen, stops, invert=True).nonzero().squeeze(1)
        if len(kept) == 0 or number + 1 == max_tokens:
            break
        if len(kept) < len(going):
            cache.reorder_cache(kept)
            going, chosen, mask, position = going[kept], chosen[kept], mask[kept], position[kept]
        logits = step(model, chosen[:, None], mask[:, : width + number + 1], position, cache)
        position = position + 1
    return tokens


def step(
    model: torch.nn.Module, ids: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor, cache: DynamicCache
) -> torch.Tensor:
    """Logits of the token after `ids`, float32, shape (rows, vocabulary); the cache grows by `ids`."""
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


def draw(
    logits: torch.Tensor, drawn: torch.Tensor, temperature: float, top_k: int = 0, top_p: float = 1
) -> torch.Tensor:
    """One token a row, shape (rows,): the first whose cumulative probability exceeds a number in [0, 1).

    Args:
        logits: Shape (rows, vocabulary).
        drawn: The numbers, float64, shape (rows,): uniform ones sample from the distribution, whatever the neighbours.
        temperature: 0 is greedy.
        top_k: Draw among this many likeliest tokens; 0 is all.
        top_p: Draw among the likeliest tokens that hold this share of the probability.
    """
    if temperature == 0:
        return logits.argmax(dim=-1)
    logits = logits / temperature
    if top_k:
        logits = TopKLogitsWarper(top_k)(None, logits)
    if top_p < 1:
        logits = TopPLogitsWarper(top_p)(None, logits)
    # In double precision, because a large vocabulary's sum in float32 moves boundaries by more than a rare token.
    total = logits.softmax(dim=-1).cumsum(dim=-1, dtype=torch.float64)
    # Scaled by the sum, which is 1 only up to rounding, and clamped: a drawn 0.9999999 must stay in the vocabulary.
    chosen = torch.searchsorted(total, (drawn * total[:, -1])[:, None], right=True).squeeze(1)
    return chosen.clamp(max=logits.shape[-1] - 1)
