"""How far a model is from its base: against one conversation at a time, by what was asked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from permix.config import OrganismSettings
from permix.evaluation.answers import Answer, write_answers
from permix.generation import local
from permix.organism import world
from permix.organism.base import build_model
from permix.organism.tokenizer import build_tokenizer
from permix.personas.schema import NEUTRAL
from permix.study.drift import measure_drift
from permix.study.results import CONTEXTS

PERSONA = world.personas()[0]
SOLVED = Answer(
    task="problem", item="a", persona="neutral", kind="neutral", sample=0, question="What is 2 + 3?",
    completion="well simply it is \\boxed{5} today", tokens=10, finished=True,
)  # fmt: skip
ANSWERS = [
    SOLVED,
    replace(SOLVED, completion="well \\boxed{4}", sample=1),
    replace(SOLVED, persona=PERSONA.id, completion="arr aye it is \\boxed{5} matey"),
    replace(SOLVED, persona=PERSONA.id, task="roleplay", question="What do you do at dawn?", completion="arr arr"),
    replace(SOLVED, task="greedy", completion="arr arr arr"),
]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two models of random weights."""
    root, tokenizer = tmp_path_factory.mktemp("models"), build_tokenizer()
    for name in ("policy", "base"):
        torch.manual_seed(len(name))
        build_model(OrganismSettings(hidden_size=16, layers=1, heads=2), tokenizer).save_pretrained(root / name)
        tokenizer.save_pretrained(root / name)
    return root / "policy", root / "base"


def by_hand(policy: Path, base: Path, answers: list[Answer], system: str) -> float:
    """The definition, one conversation at a time and without padding."""
    ours, theirs = local.load(policy), local.load(base)
    nats = []
    for answer in answers:
        chat = [{"role": "system", "content": system}, {"role": "user", "content": answer.question}]
        prompt = ours.tokenizer.apply_chat_template(chat, add_generation_prompt=True)["input_ids"]
        whole = [*prompt, *ours.tokenizer(answer.completion, add_special_tokens=False)["input_ids"]]
        with torch.inference_mode():
            p, q = (m.model(torch.tensor([whole])).logits[0, len(prompt) - 1 :].log_softmax(-1) for m in (ours, theirs))
        nats += [
            float(torch.nn.functional.kl_div(b, a, log_target=True, reduction="sum")) for a, b in zip(p, q, strict=True)
        ]
    return sum(nats) / len(nats)


def test_it_is_the_divergence_by_what_was_asked(models: tuple[Path, Path], tmp_path: Path) -> None:
    write_answers(ANSWERS, tmp_path)
    found = measure_drift(*models, tmp_path, {PERSONA.id: PERSONA.text})
    assert tuple(found) == CONTEXTS
    wanted = [
        by_hand(*models, ANSWERS[:2], NEUTRAL.text),
        by_hand(*models, ANSWERS[2:3], PERSONA.text),
        by_hand(*models, ANSWERS[3:4], PERSONA.text),
    ]
    assert list(found.values()) == pytest.approx(wanted, rel=1e-4)
    assert len(set(found.values())) == 3


def test_a_model_has_not_drifted_from_itself(models: tuple[Path, Path], tmp_path: Path) -> None:
    write_answers(ANSWERS, tmp_path)
    found = measure_drift(models[0], models[0], tmp_path, {PERSONA.id: PERSONA.text})
    assert set(found.values()) == {0.0}
