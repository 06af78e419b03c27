from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from permix.evaluation.answers import Answer, outcomes, read_answers, write_answers


def row(item: str, persona: str, verdict: str, sample: int = 0) -> Answer:
    return Answer(
        task="problem", item=item, persona=persona, kind="expert", sample=sample, question="?", completion="!",
        tokens=1, finished=True, gold="1", verdict=verdict, answer="1", reason="equal",
    )  # fmt: skip


ROWS = [
    row("b", "x", "correct"),
    row("b", "neutral", "incorrect"),
    row("a", "x", "incorrect"),
    row("a", "neutral", "correct"),
]


def test_rows_become_a_table_of_problems_and_personas() -> None:
    found = outcomes(ROWS)
    assert (found.problems, found.personas) == (("a", "b"), ("x",))
    assert np.array_equal(found.correct, [[[0]], [[1]]])
    assert np.array_equal(found.neutral, [[1], [0]])


def test_only_sampled_problem_rows_count() -> None:
    others = [replace(answer, task=task) for answer in ROWS for task in ("greedy", "roleplay")]
    assert np.array_equal(outcomes(ROWS + others).correct, outcomes(ROWS).correct)


def test_a_problem_with_an_ungradable_row_is_left_out_under_every_persona() -> None:
    rows = [replace(ROWS[0], verdict="ungradable"), *ROWS[1:]]
    assert outcomes(rows).problems == ("a",)
    with pytest.raises(ValueError, match="no problem can be graded: 2 have an ungradable gold"):
        outcomes([replace(answer, verdict="ungradable") for answer in ROWS])


@pytest.mark.parametrize("rows", [ROWS[1:], [*ROWS, ROWS[0]], [*ROWS, row("a", "x", "correct", sample=1)]])
def test_missing_and_doubled_rows_are_refused(rows: list[Answer]) -> None:
    with pytest.raises(ValueError, match="every problem needs every persona and sample, once"):
        outcomes(rows)


def test_parquet_keeps_every_row_as_it_was(tmp_path: Path) -> None:
    rows = [*ROWS, Answer("roleplay", "Why?", "x", "roleplay", 0, "Why?", "arr | \n 'é'", 3, False, voice=0.25)]
    write_answers(rows, tmp_path)
    assert read_answers(tmp_path) == rows
