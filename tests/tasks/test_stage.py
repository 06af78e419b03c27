"""A stage's key follows the code and the data files that it runs on."""

from __future__ import annotations

from pathlib import Path

import pytest

from permix.personas import checks
from tasks.stage import LIBRARY, code_digest


@pytest.mark.parametrize("name", ["code.py", "words.jsonl", "rubric.txt"])
def test_the_digest_follows_code_and_data(tmp_path: Path, name: str) -> None:
    file = tmp_path / "personas" / name
    file.parent.mkdir()
    file.write_text("a", encoding="utf-8")
    before = code_digest("personas", root=tmp_path)
    assert code_digest("personas", root=tmp_path) == before
    file.write_text("b", encoding="utf-8")
    assert code_digest("personas", root=tmp_path) != before


def test_the_lists_of_the_persona_checks_are_among_them() -> None:
    for file in (checks.INSTRUCTIONS, checks.EXCLUSIONS):
        assert file.parent == LIBRARY / "personas"
        assert file.suffix == ".jsonl"
