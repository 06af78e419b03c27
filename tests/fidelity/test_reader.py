from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from permix.config import OrganismSettings
from permix.fidelity import reader
from permix.fidelity.attribution import Reading, Reply
from permix.fidelity.reader import Prune, read_replies
from permix.generation.local import LanguageModel, load
from permix.organism.base import build_model
from permix.organism.tokenizer import build_tokenizer
from permix.organism.world import personas
from permix.personas.schema import NEUTRAL, Persona

PERSONAS = personas()[:5]
QUESTIONS = ("What do you do at dawn?", "What do you do in winter?")
TEXTS = ("arr aye at dawn i plunder the galleon matey", "hark", "", "lo softly at dawn i dream the verse beloved muse")
REPLIES = [
    Reply(persona.id, question, TEXTS[(n + q) % len(TEXTS)])
    for n, persona in enumerate(PERSONAS)
    for q, question in enumerate(QUESTIONS)
]


@pytest.fixture(scope="module", params=["relative positions", "absolute positions"])
def reference(request: pytest.FixtureRequest) -> LanguageModel:
    """Random weights, large enough that a wrong position, mask or cache shows."""
    torch.manual_seed(0)
    tokenizer = build_tokenizer()
    if request.param == "relative positions":
        model = build_model(OrganismSettings(hidden_size=32, layers=2, heads=2), tokenizer).eval()
    else:
        model = GPT2LMHeadModel(
            GPT2Config(vocab_size=len(tokenizer), n_positions=64, n_embd=32, n_layer=2, n_head=2)
        ).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() > 1:
                weight.mul_(4 if "embed" in name or "wte" in name else 20)
    return LanguageModel(model, tokenizer)


@torch.inference_mode()
def plainly(reference: LanguageModel, persona: Persona, reply: Reply) -> list[float]:
    """One forward pass over everything, logits at every place."""
    messages = [{"role": "system", "content": persona.text}, {"role": "user", "content": reply.question}]
    text = reference.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    prompt = reference.tokenizer(text, add_special_tokens=False)["input_ids"]
    ids = reference.tokenizer(reply.text, add_special_tokens=False)["input_ids"]
    logits = reference.model(torch.tensor([[*prompt, *ids]])).logits[0].log_softmax(dim=-1)
    return [float(logits[len(prompt) + n - 1, token]) for n, token in enumerate(ids)]


def assert_read(reference: LanguageModel, readings: list[Reading], replies: list[Reply]) -> None:
    texts = {persona.id: persona for persona in (*PERSONAS, NEUTRAL)}
    assert [reading.reply for reading in readings] == replies
    for reading in readings:
        for name, found in reading.log_probs.items():
            plain = plainly(reference, texts[name], reading.reply)
            assert found == pytest.approx(plain[: len(found)], abs=2e-3), (name, reading.reply)


@pytest.mark.parametrize("logits", [reader.LOGITS, 1])
@pytest.mark.parametrize("candidates", [5, 3])
def test_it_finds_what_plain_forward_passes_find(
    reference: LanguageModel, candidates: int, logits: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "LOGITS", logits)
    readings = read_replies(reference, REPLIES, PERSONAS, candidates=candidates, prune=None)
    assert_read(reference, readings, REPLIES)
    for reading in readings:
        assert len(reading.candidates) == candidates
        assert reading.reply.persona in reading.candidates
        assert {len(found) for found in reading.log_probs.values()} == {reading.tokens}


@pytest.mark.parametrize("tokens", [1, 2, 4])
def test_a_pruned_candidate_is_read_so_far_and_nothing_else_changes(reference: LanguageModel, tokens: int) -> None:
    readings = read_replies(reference, REPLIES, PERSONAS, prune=Prune(tokens, margin=0.0))
    assert_read(reference, readings, REPLIES)
    lengths = [
        len(found)
        for reading in readings
        if reading.tokens > tokens
        for name, found in reading.log_probs.items()
        if name not in (reading.reply.persona, NEUTRAL.id) and len(found) < reading.tokens
    ]
    assert lengths
    assert set(lengths) == {tokens}
    for reading in readings:
        assert len(reading.log_probs[NEUTRAL.id]) == reading.tokens == len(reading.log_probs[reading.reply.persona])


def test_a_model_without_a_plain_cache_is_read_in_full(
    reference: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "reads_shared", lambda config: False)
    assert_read(reference, read_replies(reference, REPLIES, PERSONAS), REPLIES)


def test_a_long_reply_is_read_so_far_and_an_empty_one_is_kept(reference: LanguageModel) -> None:
    readings = read_replies(reference, REPLIES, PERSONAS, max_reply_tokens=3, prune=None)
    assert {(reading.reply.text, reading.tokens, reading.cut) for reading in readings} == {
        (TEXTS[0], 3, True),
        (TEXTS[1], 1, False),
        (TEXTS[2], 0, False),
        (TEXTS[3], 3, True),
    }
    assert readings[0].reply.text[: readings[0].ends[-1]] == "arr aye at"


def test_bad_input_is_told(reference: LanguageModel) -> None:
    with pytest.raises(ValueError, match="there are 1 personas"):
        read_replies(reference, REPLIES[:1], PERSONAS[:1])
    with pytest.raises(ValueError, match="not among the 2 personas"):
        read_replies(reference, REPLIES, PERSONAS[:2])
    with pytest.raises(ValueError, match="same id"):
        read_replies(reference, REPLIES, [*PERSONAS, PERSONAS[0]])
    with pytest.raises(ValueError, match="the neutral prompt is no candidate"):
        read_replies(reference, REPLIES, [*PERSONAS, NEUTRAL])
    long = replace(PERSONAS[0], text="You are a careful pirate. " * 20)
    with pytest.raises(ValueError, match=f"'{long.id}' .* do not fit the reference's context of 64"):
        read_replies(reference, REPLIES, [long, *PERSONAS[1:]])


@pytest.mark.parametrize(
    ("template", "fault"),
    [
        ("{{ raise_exception('System role not supported') }}", "refuses a system prompt"),
        ("{% for m in messages if m.role != 'system' %}{{ m.content }}{% endfor %}", "drops the system prompt"),
    ],
)
def test_a_template_without_a_system_role_is_told(template: str, fault: str, tmp_path: Path) -> None:
    tokenizer = build_tokenizer()
    model = build_model(OrganismSettings(hidden_size=32, layers=1, heads=2), tokenizer)
    tokenizer.chat_template = template
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=fault):
        read_replies(load(tmp_path), REPLIES, PERSONAS)
