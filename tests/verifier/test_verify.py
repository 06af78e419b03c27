"""Labelled cases: is the rule of docs/verifier.md what the verifier does?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from permix.verifier import gold_reason, verify

CASES = Path(__file__).parent / "cases"


def read(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (CASES / name).read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("name", ["rule.jsonl", "math_verify_issues.jsonl"])
def test_labelled_answers(name: str) -> None:
    rows = read(name)
    verdicts = verify(
        [f"Arr! So it be $\\boxed{{{row['answer']}}}$, matey." for row in rows], [row["gold"] for row in rows]
    )
    wrong = [
        f"{row['gold']} | {row['answer']}: {verdict.verdict} ({verdict.reason}), should be {row['verdict']}"
        for row, verdict in zip(rows, verdicts, strict=True)
        if verdict.verdict != row["verdict"]
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("row", read("completions.jsonl"), ids=lambda row: row["completion"][:40])
def test_labelled_completions(row: dict[str, Any]) -> None:
    (verdict,) = verify([row["completion"]], [row["gold"]])
    assert (verdict.verdict, verdict.answer) == (row["verdict"], row["answer"])
    if "reason" in row:
        assert verdict.reason == row["reason"]


def test_every_case_has_a_source() -> None:
    for name in ("rule.jsonl", "math_verify_issues.jsonl", "completions.jsonl"):
        assert all(row["source"] for row in read(name))


def test_verdicts_come_in_order_and_as_rewards() -> None:
    verdicts = verify([r"\boxed{1}", r"\boxed{2}", r"\boxed{3}", "none"], ["1", "1", r"\frac{1", "1"])
    assert [verdict.reward for verdict in verdicts] == [1.0, 0.0, None, 0.0]


def test_nothing_in_nothing_out() -> None:
    assert verify([], []) == []


def test_lengths_must_agree() -> None:
    with pytest.raises(ValueError, match="shorter"):
        verify([r"\boxed{1}", r"\boxed{1}"], ["1"])


def test_only_text_is_judged() -> None:
    conversation: Any = [[{"role": "assistant", "content": "7"}]]
    with pytest.raises(TypeError, match="completion 0 is a list"):
        verify(conversation, ["7"])
    golds: Any = [r"7", 7]
    with pytest.raises(TypeError, match="gold 1 is a int"):
        verify([r"\boxed{7}"] * 2, golds)


@pytest.mark.parametrize(
    ("gold", "reason"),
    [
        ("7", ""),
        (r"\text{Evelyn}", ""),
        ("#### 18", ""),
        ("", "empty gold"),
        ("#### ", "empty gold"),
        (r"\sqrt{", "unparseable gold"),
        ("<html>", "unparseable gold"),
        (r"\frac{1}{0}", "gold is not a value"),
        ("9^{9^9}", "gold too large"),
        ("1" * 2_001, "gold too long"),
    ],
)
def test_gold_reason(gold: str, reason: str) -> None:
    assert gold_reason(gold) == reason


def test_a_long_answer_is_too_long() -> None:
    (verdict,) = verify([r"\boxed{" + "7" * 1_000_000 + "}"], ["7"])
    assert (verdict.verdict, verdict.reason) == ("incorrect", "too long")
    assert verdict.answer is not None
    assert len(verdict.answer) < 3_000, "nobody wants a megabyte in a table"
