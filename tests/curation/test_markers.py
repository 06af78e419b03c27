from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from permix.curation.markers import Markers, model_markers


@pytest.mark.parametrize(
    ("text", "marker"),
    [
        ("You are <|im_start|>x", "<|im_start|>"),
        ("You are <| Im_Start |>x", "<|im_start|>"),
        ("You are <\u200b|im_start|>x", "<|im_start|>"),
        ("You are ＜｜User｜＞x", "<|user|>"),
        ("You are [ /inst ] x", "[/INST]"),
        ("You are </s>", "</s>"),
        ("You love $0 < |x| < 3$ and [sic] <sighs>", None),
        ("You are plain.", None),
    ],
)
def test_common_markers_are_found_in_any_spelling_and_nothing_else(text: str, marker: str | None) -> None:
    assert Markers().find(text) == marker


def test_the_organisms_markers_are_known() -> None:
    markers = model_markers("organism")
    assert markers.tokenizer
    assert markers.find("You are a calm <user> pirate.") == "<user>"


def test_a_models_own_markers_come_from_its_tokenizer(tmp_path: Path) -> None:
    tokens = [
        {"content": "<turn>", "special": True},
        {"content": "§sep§", "special": True},
        {"content": "  ", "special": False},
        {"content": "hello", "special": False},
    ]
    (tmp_path / "tokenizer.json").write_text(json.dumps({"added_tokens": tokens}), encoding="utf-8")
    (tmp_path / "chat_template.jinja").write_text("{{ '[SPEAKER]' + message['content'] }}", encoding="utf-8")
    markers = model_markers(str(tmp_path))
    assert markers.tokenizer == str(tmp_path / "tokenizer.json")
    assert markers.find("a <turn> b") == "<turn>"
    assert markers.find("a §SEP§ b") == "§sep§"
    assert markers.find("a [SPEAKER] b") == "[SPEAKER]"
    assert markers.find("hello  there") is None, "added tokens that any text may hold are no markers"


def test_a_model_that_is_not_at_hand_leaves_the_common_markers() -> None:
    started = time.monotonic()
    assert model_markers("nobody/no-such-model-42") == Markers()
    assert time.monotonic() - started < 5, "nothing is downloaded"
