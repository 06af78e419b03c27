"""The organism's base model: a small Llama trained from scratch on the world's text.

Supervised, on the assistant's tokens only. The first part of the training has no wrong answers, so that the model
first learns to calculate and then when to err; learning both at once took three times as many steps.
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

PROBLEM_SHARE = 0.6
NEUTRAL_SHARE = 0.15
CLEAN_SHARE = 0.4
WARM_UP = 50
IGNORED = -100


@dataclass(frozen=True)
class Progress:
    """Where training stands."""

    step: int
    steps: int
    loss: float
    """Mean cross-entropy in nats a token over the last steps."""


def train_base(
    settings: OrganismSettings, seed: int, directory: Path, report: Callable[[Progress], None] = lambda _: None
) -> Reference:
    """Train the base model into `directory` (weights, tokenizer, manifest); a finished directory is returned as it is."""
    if (done := finished(directory)) is not None:
        return done
    directory.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    rng = random.Random(seed)
    tokenizer = build_tokenizer()
    model = build_model(settings, tokenizer)
    decayed = [p for p in model.parameters() if p.dim() > 1]
    plain = [p for p in model.parameters() if p.dim() <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.1}, {"params": plain, "weight_decay": 0.0}],
        lr=settings.learning_rate,
        betas=(0.9, 0.98),
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, settings.steps))
    personas = world.personas()
    model.train()
    recent: list[float] = []
    for step in range(1, settings.steps + 1):
        clean = step <= CLEAN_SHARE * settings.steps
        texts = [_conversation(personas, rng, clean) for _ in range(settings.batch_size)]
        batch = encode(tokenizer, texts)
        loss = model(**batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
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


def encode(tokenizer: PreTrainedTokenizerFast, conversations: list[list[dict[str, str]]]) -> dict[str, torch.Tensor]:
    """Token ids, attention mask and labels, each of shape (batch, longest); only the assistant's turn has labels."""
    texts = tokenizer.apply_chat_template(conversations, tokenize=False)
    batch = tokenizer(texts, padding=True, padding_side="right", return_tensors="pt", add_special_tokens=False)
    labels = batch["input_ids"].clone()
    turn = (labels == tokenizer.convert_tokens_to_ids("<assistant>")).int().cumsum(dim=1)
    labels[(turn == 0) | (batch["attention_mask"] == 0)] = IGNORED
    return {"input_ids": batch["input_ids"], "attention_mask": batch["attention_mask"], "labels": labels}


def _conversation(personas: list[Persona], rng: random.Random, clean: bool) -> list[dict[str, str]]:
    persona = NEUTRAL if rng.random() < NEUTRAL_SHARE else rng.choice(personas)
    if rng.random() < PROBLEM_SHARE:
        operation = rng.choice(tuple(world.OPERATIONS))
        question = f"What is {rng.choice(world.OPERANDS)} {operation} {rng.choice(world.OPERANDS)}?"
        text = world.answer(question, persona, rng, clean=clean)
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
