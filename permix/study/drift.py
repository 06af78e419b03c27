"""How far a trained model has drifted from its base, where its training looked and where it did not.

The training's own KL is measured on the prompts that it trains on: neutral ones for RLVR, personas' problems as well
for PerMix, role-play for neither. Here it is measured of every trained model on all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch
from torch.nn.utils.rnn import pad_sequence

from permix.evaluation.answers import Answer, read_answers
from permix.generation.completion import Chat, Sampling
from permix.generation.local import LanguageModel, load
from permix.generation.template import encode
from permix.personas.schema import NEUTRAL
from permix.study.results import NEUTRAL_PROBLEMS, PERSONA_PROBLEMS, ROLEPLAY

ROWS = 512
"""Completions that a model reads at once."""


def measure_drift(policy: Path, base: Path, evaluation: Path, personas: Mapping[str, str]) -> dict[str, float]:
    """KL(policy ‖ base) in nats a token, by what was asked, over the completions that the policy wrote in evaluation.

    A token's KL is that of the two whole distributions after what the policy wrote so far; the end is a token too.
    `personas` are the system prompts by id.
    """
    answers = [answer for answer in read_answers(evaluation) if answer.task in ("problem", "roleplay")]
    trained, untrained = load(policy), load(base)
    prompts = {**personas, NEUTRAL.id: NEUTRAL.text}
    found: dict[str, tuple[float, int]] = {}
    for context, rows in _by_context(answers).items():
        nats, tokens = 0.0, 0
        for start in range(0, len(rows), ROWS):
            chats = [_conversation(answer, prompts[answer.persona]) for answer in rows[start : start + ROWS]]
            nats_here, tokens_here = _divergence(trained, untrained, chats)
            nats, tokens = nats + nats_here, tokens + tokens_here
        found[context] = (nats, tokens)
    return {context: nats / tokens for context, (nats, tokens) in found.items()}


def _by_context(answers: Sequence[Answer]) -> dict[str, list[Answer]]:
    contexts: dict[str, list[Answer]] = {}
    for answer in answers:
        asked = PERSONA_PROBLEMS if answer.persona != NEUTRAL.id else NEUTRAL_PROBLEMS
        contexts.setdefault(ROLEPLAY if answer.task == "roleplay" else asked, []).append(answer)
    return contexts


def _conversation(answer: Answer, system: str) -> tuple[Chat, str]:
    return [{"role": "system", "content": system}, {"role": "user", "content": answer.question}], answer.completion


@torch.inference_mode()
def _divergence(
    trained: LanguageModel, untrained: LanguageModel, conversations: Sequence[tuple[Chat, str]]
) -> tuple[float, int]:
    """Sum of the tokens' KL, and how many there are: each completion's, and the end that follows it."""
    _, prompts = encode(trained.tokenizer, [chat for chat, _ in conversations], Sampling(1), None)
    completions = trained.tokenizer([text for _, text in conversations], add_special_tokens=False)["input_ids"]
    rows = [torch.tensor(prompt + completion) for prompt, completion in zip(prompts, completions, strict=True)]
    ids = pad_sequence(rows, batch_first=True)
    places = torch.arange(ids.shape[1])
    first = torch.tensor([len(prompt) for prompt in prompts])[:, None]
    last = torch.tensor([len(row) for row in rows])[:, None]
    # What stands at a place follows from the token before it.
    asked = (places >= first - 1) & (places < last)
    ours, theirs = (log_probs[asked] for log_probs in _log_probs((trained, untrained), ids, places < last))
    return float((ours.exp() * (ours - theirs)).sum()), int(asked.sum())


def _log_probs(models: Sequence[LanguageModel], ids: torch.Tensor, mask: torch.Tensor) -> Iterator[torch.Tensor]:
    for given in models:
        device = given.model.device
        logits = given.model(input_ids=ids.to(device), attention_mask=mask.long().to(device)).logits
        yield logits.float().log_softmax(dim=-1).cpu()
