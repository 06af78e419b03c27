"""Tables of a real training."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from persona_training import PERSONAS, trained

from permix.organism import world
from permix.training.pages import completions_page, personas_page
from permix.training.spec import TrainingSpec
from permix.training.tables import read_persona_rows

ROW = {
    "step": 7,
    "problem": "set/1",
    "question": "Is 1 < 2 & 2 > 1?",
    "gold": "1",
    "persona": "organism/hasty-pirate",
    "kind": "roleplay",
    "completion": "<script>alert(1)</script> \\boxed{1}",
    "verdict": "correct",
    "answer": "1",
    "reason": "same number",
    "advantage": 0.5,
}


def test_a_page_holds_text_and_never_code() -> None:
    page = completions_page([ROW, {**ROW, "verdict": "incorrect", "answer": None, "advantage": -0.5}])
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; \\boxed{1}" in page
    assert "Is 1 &lt; 2 &amp; 2 &gt; 1?" in page
    assert "50% of 2 graded are correct" in page
    assert "1 of 2 correct<" in page
    assert "+0.50" in page
    assert "-0.50" in page


def test_a_group_that_teaches_nothing_and_one_without_a_verdict_say_so() -> None:
    page = completions_page([{**ROW, "verdict": "ungradable", "reason": "no gold", "advantage": 0.0}])
    assert "none could be graded" in page
    assert "0 of 1 correct; all alike, so nothing is learnt" in page


def test_a_persona_curve_is_of_what_came_since_the_column_before() -> None:
    tally = {"persona": "a", "kind": "expert", "running": 0.4, "weight": 1.5}
    rows = [{**tally, "step": 5, "graded": 4, "correct": 1}, {**tally, "step": 10, "graded": 10, "correct": 4}]
    # One that is seen for the first time in the second column, and one that is not drawn again.
    rows += [{**rows[1], "persona": "b", "graded": 2, "correct": 2, "weight": None}]
    page = personas_page([*rows, {**rows[0], "persona": "c"}, {**rows[0], "persona": "c", "step": 10}])
    lines = {line.split("<td>")[1]: line for line in page.splitlines() if line.startswith("<tr><td>")}
    assert {name: re.findall(r'title="(\w+)">([\d.]*)', line) for name, line in lines.items()} == {
        "a": [("4", "0.25"), ("6", "0.50")],
        "b": [("2", "1.00")],
        "c": [("4", "0.25"), ("none", "")],
    }


def rows_of(file: Path) -> list[dict[str, Any]]:
    with file.open(newline="") as lines:
        return [*csv.DictReader(lines)]


def test_tables_of_a_training_and_of_one_that_goes_back(spec: Callable[..., TrainingSpec]) -> None:
    told = spec(mixing="per_rollout", persona_weights="adaptive", log_completions_every=2, steps=5, save_every=3)
    trained(told)
    tables = told.files.tables
    names = {f"step-0000{step}.{kind}" for step in (2, 4, 5) for kind in ("html", "csv")}
    assert {path.name for path in (tables / "completions").iterdir()} == names
    assert {path.name for path in tables.iterdir()} == {"completions", "personas.csv", "personas.html"}

    rows = rows_of(tables / "completions" / "step-00004.csv")
    told_by_trl = pq.read_table(told.files.checkpoints / "completions" / "completions_00004.parquet").to_pylist()
    assert len(rows) == 64
    for mine, theirs in zip(rows, told_by_trl, strict=True):
        assert (mine["question"], mine["completion"]) == (
            theirs["prompt"][1]["content"],
            theirs["completion"][0]["content"],
        )
        assert float(mine["advantage"]) == pytest.approx(theirs["advantage"], abs=1e-4)
        assert mine["verdict"] == {1.0: "correct", 0.0: "incorrect"}[theirs["verified"]]
        assert (
            next(p.text for p in [*PERSONAS, world.NEUTRAL] if p.id == mine["persona"])
            == theirs["prompt"][0]["content"]
        )
        assert mine["reason"]

    personas = read_persona_rows(tables / "personas.csv")
    assert Counter(row["step"] for row in personas).keys() == {2, 4, 5}
    assert sum(row["graded"] for row in personas if row["step"] == 5) == 5 * 64
    assert all(row["correct"] <= row["graded"] for row in personas)
    whole = (tables / "personas.csv").read_bytes()
    # Going back to a checkpoint and doing the steps again writes the same, and nothing twice.
    trained(told, told.files.checkpoints / "checkpoint-3")
    assert (tables / "personas.csv").read_bytes() == whole
    assert rows_of(tables / "completions" / "step-00004.csv") == rows
    assert {path.name for path in (tables / "completions").iterdir()} == names
    assert not [*told.files.root.rglob("*.part")]
