from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from permix.evaluation.judge_reply import read_score

CASES = [
    json.loads(line)
    for line in (Path(__file__).parent / "cases" / "judge_replies.jsonl").read_text(encoding="utf-8").splitlines()
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: repr(case["reply"][-50:]))
def test_a_judges_phrasing(case: dict[str, str | int | None]) -> None:
    assert read_score(str(case["reply"])) == case["score"], case["source"]


@given(st.text(max_size=60), st.text("0123456789./- ,orthefinalsciv:*\n", max_size=40))
def test_any_text_is_read_as_a_score_or_none(one: str, other: str) -> None:
    for text in (one, other, one + other, "The final score is " + other):
        assert read_score(text) in {None, 1, 2, 3, 4, 5}
