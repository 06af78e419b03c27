from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from permix.fidelity.judging.reply import read_score

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


@pytest.mark.parametrize("text", ["1", "1 ", "final score ", "rate 4 or ", "<think>", "score of "])
def test_a_judge_that_repeats_itself_does_not_hold_the_evaluation_up(text: str) -> None:
    """Found so: 20,000 equal digits once took half a minute."""
    started = time.perf_counter()
    assert read_score(text * 20_000) is None
    assert time.perf_counter() - started < 5
