from __future__ import annotations

from pathlib import Path

import pytest

from permix.generation.template import load_tokenizer
from permix.organism.tokenizer import build_tokenizer

KEEPS = "{% for message in messages %}{{ message.role }}: {{ message.content }}\n{% endfor %}"
DROPS = "{% for message in messages if message.role != 'system' %}{{ message.content }}\n{% endfor %}"
REFUSES = "{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"


def saved(directory: Path, template: str | None) -> Path:
    tokenizer = build_tokenizer()
    tokenizer.chat_template = template
    tokenizer.save_pretrained(directory)
    (directory / "config.json").write_text('{"model_type": "llama"}', encoding="utf-8")
    return directory


def test_a_template_with_a_system_slot_is_taken(tmp_path: Path) -> None:
    assert load_tokenizer(saved(tmp_path, KEEPS)).chat_template == KEEPS


@pytest.mark.parametrize(
    ("template", "said"),
    [
        (None, "has no chat template"),
        (DROPS, "drops the system prompt"),
        (REFUSES, r"refuses a system prompt \(System role not supported\)"),
    ],
)
def test_a_template_without_one_is_refused(tmp_path: Path, template: str | None, said: str) -> None:
    with pytest.raises(ValueError, match=said) as raised:
        load_tokenizer(saved(tmp_path, template))
    assert str(tmp_path) in str(raised.value)
