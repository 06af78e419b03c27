from __future__ import annotations

from pathlib import Path

import pytest
import torch

from permix.config import OrganismSettings
from permix.fidelity.attribution import Reply
from permix.fidelity.reader import read_replies
from permix.fidelity.readings import read_kept
from permix.generation.local import LanguageModel
from permix.organism.base import build_model
from permix.organism.tokenizer import build_tokenizer
from permix.organism.world import personas

PERSONAS = personas()[:4]
TEXTS = ("arr aye at dawn i plunder the galleon matey", "hark", "", "lo softly at dawn i dream the verse beloved muse")
REPLIES = [Reply(persona.id, "What do you do at dawn?", text) for persona, text in zip(PERSONAS, TEXTS, strict=True)]


def reference() -> LanguageModel:
    torch.manual_seed(0)
    tokenizer = build_tokenizer()
    return LanguageModel(build_model(OrganismSettings(hidden_size=32, layers=2, heads=2), tokenizer).eval(), tokenizer)


def never() -> LanguageModel:
    raise AssertionError("what is kept was read again")


def test_what_was_read_is_kept_and_not_read_again(tmp_path: Path) -> None:
    file = tmp_path / "readings.sqlite"
    heard: list[tuple[int, int]] = []
    found = read_kept(reference, REPLIES, PERSONAS, file, "one", together=3, report=lambda *done: heard.append(done))
    assert heard == [(0, 4), (3, 4), (4, 4)]
    assert found == read_kept(never, REPLIES, PERSONAS, file, "one")
    for kept, read in zip(found, read_replies(reference(), REPLIES, PERSONAS), strict=True):
        assert kept.ends == read.ends
        for name in read.log_probs:
            assert kept.log_probs[name] == pytest.approx(read.log_probs[name], abs=1e-4)


def test_after_a_kill_only_what_is_missing_is_read(tmp_path: Path) -> None:
    file = tmp_path / "readings.sqlite"
    read_kept(reference, REPLIES[:3], PERSONAS, file, "one")
    heard: list[tuple[int, int]] = []
    read_kept(reference, REPLIES, PERSONAS, file, "one", report=lambda *done: heard.append(done))
    assert heard == [(3, 4), (4, 4)]


def test_another_reference_or_other_candidates_read_anew(tmp_path: Path) -> None:
    file = tmp_path / "readings.sqlite"
    read_kept(reference, REPLIES, PERSONAS, file, "one")
    with pytest.raises(AssertionError, match="read again"):
        read_kept(never, REPLIES, PERSONAS, file, "another")
    with pytest.raises(AssertionError, match="read again"):
        read_kept(never, REPLIES, [*PERSONAS, personas()[7]], file, "one")


def test_another_file_is_told(tmp_path: Path) -> None:
    file = tmp_path / "readings.sqlite"
    file.write_text("no database, whatever its name says " * 10)
    with pytest.raises(ValueError, match="cannot be used as a cache of readings"):
        read_kept(never, REPLIES, PERSONAS, file, "one")
