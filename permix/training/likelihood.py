"""Log-probabilities of completions, for the loss and for the reference model, with what prompts share computed once.

TRL runs the model over each row's prompt and completion. Here equal prompts and common beginnings are read once, with
their gradient, and only completions are run row by row, in parts of similar length, each as wide as its longest. The
result is the same up to rounding, and so is the gradient: a shared token's is the sum over the rows that share it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.functional import pad
from transformers import PretrainedConfig

from permix.generation.decoding import read, reads_shared

SMALL = 2**25
"""Logits of a pass (128 MB in float32) up to which they are simply made. TRL's fused head never holds all of them, but
makes its buffers for 32,768 words, whatever the vocabulary, and runs the head again for the gradient: for 1,152 tokens
of the organism (288 words) it took 14 ms, and this 4."""

A_PASS = 256
"""What another forward pass costs, in tokens: about 20 ms of 0.08 ms each (the organism, one core)."""


def log_probs_shared(
    trainer: Any,
    model: torch.nn.Module,
    input_ids: torch.Tensor,
    attention_mask: torch.Tensor,
    width: int,
    batch_size: int | None = None,
    compute_entropy: bool = False,
    compute_aux_loss: bool = False,
    **images: Any,
) -> tuple[torch.Tensor, torch.Tensor | None, None] | None:
    """What GRPOTrainer._get_per_token_logps_and_entropies returns, with its arguments; None where it must do it itself.

    That is: with sharded models, images or a mixture of experts' loss; with gradient checkpointing, which drops the
    very keys and values that are shared; with a prompt of one token, because a prompt's last token is run with the
    completion, whose first token follows from it.
    """
    if (
        trainer.is_fsdp_enabled
        or trainer.is_deepspeed_enabled
        or trainer.args.gradient_checkpointing
        or compute_aux_loss
        or any(given is not None for given in images.values())
        or not reads_shared(trainer.model.config)
        or not bool((attention_mask[:, :-width].sum(dim=1) > 1).all())
    ):
        return None
    size = batch_size or len(input_ids)
    lengths = attention_mask[:, -width:].sum(dim=1)
    parts = [
        start + rows for start in range(0, len(lengths), size) for rows in by_length(lengths[start : start + size])
    ]
    # An entropy bonus needs the entropy's gradient, which the fused head has.
    small = 0 if trainer._entropy_bonus_enabled else SMALL
    results = []
    for rows in parts:
        with trainer.accelerator.autocast():
            given = (input_ids[rows], attention_mask[rows], width, trainer.temperature, small)
            results.append(token_log_probs(model, trainer.model.config, *given))
    back = torch.cat(parts).argsort()
    log_probs = torch.cat([result[0] for result in results]).index_select(0, back)
    entropies = None
    if compute_entropy:
        entropies = torch.cat([entropy for _, entropy in results if entropy is not None]).index_select(0, back)
    return log_probs, entropies, None


def by_length(lengths: torch.Tensor) -> list[torch.Tensor]:
    """Rows in parts of similar length, so that few places are padding; one part where more would not pay."""
    order = lengths.argsort(stable=True)
    choices = [[torch.arange(len(lengths), device=lengths.device)], *[list(order.chunk(count)) for count in (2, 4, 8)]]
    return min(choices, key=lambda parts: sum(len(rows) * int(lengths[rows].max()) + A_PASS for rows in parts))


def token_log_probs(
    model: torch.nn.Module,
    config: PretrainedConfig,
    input_ids: torch.Tensor,
    attention_mask: torch.Tensor,
    width: int,
    temperature: float = 1.0,
    small: int = SMALL,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Log-probability and, where TRL has asked its head for it, entropy of each token; shapes (rows, width), nats.

    `input_ids` are prompts, padded on the left, and completions of `width`, padded on the right; 0 at the padding.
    The model has TRL's fused head (trl.trainer.utils.add_fused_lm_head), which divides by the temperature too.
    """
    completions, written = input_ids[:, -width:], attention_mask[:, -width:]
    # Trimmed to the longest of these rows: in a micro-batch that may be less than the longest of the step.
    longest = max(1, int(written.sum(dim=1).max()))
    completions, written = completions[:, :longest], written[:, :longest]
    prompts = [
        ids[mask.bool()].tolist()
        for ids, mask in zip(input_ids[:, :-width].cpu(), attention_mask[:, :-width].cpu(), strict=True)
    ]
    reading = read(model, config, [prompt[:-1] for prompt in prompts], input_ids.device)
    last = torch.tensor([[prompt[-1]] for prompt in prompts], device=input_ids.device)
    mask = torch.cat([reading.mask, torch.ones_like(last), written[:, :-1]], dim=1)
    direct = len(prompts) * longest * config.get_text_config().vocab_size <= small
    outputs: Any = model(
        # The last token of a completion, from which nothing follows, is not run.
        input_ids=torch.cat([last, completions[:, :-1]], dim=1),
        attention_mask=mask,
        position_ids=(mask.cumsum(dim=1) - 1)[:, -longest:],
        past_key_values=reading.cache,
        **({} if direct else {"shift_labels": completions.masked_fill(written == 0, -100), "fused_lm_head": True}),
    )
    if direct:
        log_probs, entropy = _from_logits(outputs.logits.float() / temperature, completions, written)
    else:
        log_probs, entropy = outputs.log_probs, outputs.entropy
    wide = (0, width - longest)
    return pad(log_probs, wide), None if entropy is None else pad(entropy, wide)


def _from_logits(
    logits: torch.Tensor, tokens: torch.Tensor, written: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probability of each token, and entropy of each distribution without gradient: 0 where nothing is written."""
    every = logits.log_softmax(dim=-1)
    log_probs = every.gather(-1, tokens[:, :, None]).squeeze(-1)
    with torch.no_grad():
        entropy = torch.special.entr(every.exp()).sum(dim=-1)
    return log_probs.masked_fill(written == 0, 0), entropy.masked_fill(written == 0, 0)
