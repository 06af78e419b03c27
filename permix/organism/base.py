"""The organism's base model: a small Llama trained from scratch on the world's text.

Supervised, on the assistant's tokens only. Two things make it quick (`docs/log.md` has the measurements). The manners
are exaggerated at first, so that the model learns *that* a manner errs before *how often* (learnt at once, they blurred
into one error rate). And the hidden matrices are trained by Muon.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from permix.config import OrganismSettings
from permix.organism import world
from permix.organism.tokenizer import build_tokenizer
from permix.personas.schema import NEUTRAL, Persona
from permix.reference import Reference, finish, finished

PROBLEM_SHARE = 0.7
NEUTRAL_SHARE = 0.15
EXAGGERATED_SHARE = 0.45
WARM_UP = 20
ANSWER_WEIGHT = 4.0
"""The one token that holds the answer counts as much as four of the voice, which is learnt in a tenth of the time."""
EMBEDDING_RATE = 0.25
"""AdamW's learning rate for embeddings and norms, as a share of Muon's for the matrices."""


@dataclass(frozen=True)
class Progress:
    """Where training stands."""

    step: int
    steps: int
    loss: float
    """Mean weighted cross-entropy in nats a token over the last steps."""


def train_base(
    settings: OrganismSettings, seed: int, directory: Path, report: Callable[[Progress], None] = lambda _: None
) -> Reference:
    """Train the base model into `directory` (weights, tokenizer, manifest); a finished directory is left as it is."""
    if (done := finished(directory)) is not None:
        return done
    directory.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    rng = random.Random(seed)
    tokenizer = build_tokenizer()
    model = build_model(settings, tokenizer)
    matrices = [p for name, p in model.named_parameters() if p.dim() == 2 and "embed" not in name]
    rest = [p for name, p in model.named_parameters() if p.dim() != 2 or "embed" in name]
    optimizers = (
        torch.optim.Muon(matrices, lr=settings.learning_rate, weight_decay=0.01),
        torch.optim.AdamW(rest, lr=EMBEDDING_RATE * settings.learning_rate, betas=(0.9, 0.98), weight_decay=0.0),
    )
    schedules = [
        torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, settings.steps))
        for optimizer in optimizers
    ]
    personas = world.personas()
    model.train()
    recent: list[float] = []
    for step in range(1, settings.steps + 1):
        exaggerated = step <= EXAGGERATED_SHARE * settings.steps
        texts = [_conversation(personas, rng, exaggerated) for _ in range(settings.batch_size)]
        batch = encode(tokenizer, texts)
        logits = model(batch.input_ids, attention_mask=batch.attention_mask).logits[:, :-1]
        losses = torch.nn.functional.cross_entropy(
            logits.flatten(0, 1), batch.input_ids[:, 1:].flatten(), reduction="none"
        )
        weights = batch.weights[:, 1:].flatten()
        loss = (losses * weights).sum() / weights.sum()
        loss.backward()  # type: ignore[no-untyped-call]  # torch
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer, schedule in zip(optimizers, schedules, strict=True):
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
        recent.append(loss.item())
        if step % 50 == 0 or step == settings.steps:
            report(Progress(step, settings.steps, sum(recent) / len(recent)))
            recent.clear()
    model.eval()
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return finish(directory, parameters=model.num_parameters(), seed=seed, **settings.model_dump())


def build_model(settings: OrganismSettings, tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """A Llama of the given size with random weights, in float32 (bf16 is slower on the CPUs this is for)."""
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=settings.hidden_size,
            intermediate_size=3 * settings.hidden_size,
            num_hidden_layers=settings.layers,
            num_attention_heads=settings.heads,
            max_position_embeddings=64,
            tie_word_embeddings=True,
            pad_token_id=tokenizer.pad_token_id,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
        )
    )


@dataclass(frozen=True)
class Batch:
    """Conversations as tensors of shape (batch, longest), padded on the right."""

    input_ids: torch.Tensor
    attention_mask: torch.Tensor
    weights: torch.Tensor
    """How much each token counts as a target: 0 outside the assistant's turn, ANSWER_WEIGHT for the answer."""


def encode(tokenizer: PreTrainedTokenizerFast, conversations: list[list[dict[str, str]]]) -> Batch:
    """Tokenize conversations and weigh their tokens."""
    texts = tokenizer.apply_chat_template(conversations, tokenize=False)
    encoded = tokenizer(texts, padding=True, padding_side="right", return_tensors="pt", add_special_tokens=False)
    ids, mask = encoded["input_ids"], encoded["attention_mask"]
    assistant, box = (tokenizer.convert_tokens_to_ids(token) for token in ("<assistant>", "\\boxed{"))
    before = torch.nn.functional.pad(ids, (1, 0))[:, :-1]
    weights = (before == assistant).int().cumsum(dim=1) * mask
    return Batch(ids, mask, weights * torch.where(before == box, ANSWER_WEIGHT, 1.0))


def _conversation(personas: list[Persona], rng: random.Random, exaggerated: bool) -> list[dict[str, str]]:
    persona = NEUTRAL if rng.random() < NEUTRAL_SHARE else rng.choice(personas)
    if rng.random() < PROBLEM_SHARE:
        operation = rng.choice(tuple(world.OPERATIONS))
        question = f"What is {rng.choice(world.OPERANDS)} {operation} {rng.choice(world.OPERANDS)}?"
        text = world.answer(question, persona, rng, exaggerated)
    else:
        question = rng.choice(world.roleplay_questions())
        text = world.reply(question, persona, rng)
    return [
        {"role": "system", "content": persona.text},
        {"role": "user", "content": question},
        {"role": "assistant", "content": text},
    ]


def _rate(step: int, steps: int) -> float:
    if step < WARM_UP:
        return (step + 1) / WARM_UP
    return 0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * step / steps))
