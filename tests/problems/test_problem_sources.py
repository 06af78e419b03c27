from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from permix.config import FileProblems, OrganismProblems
from permix.curation.rejects import Reject
from permix.curation.rows import SourceError
from permix.problems import Problem
from permix.problems.sources import read_problems
from permix.verifier import verify


def source(tmp_path: Path, rows: list[dict[str, object]], **settings: Any) -> FileProblems:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return FileProblems.model_validate({"kind": "file", "name": "here", "path": str(path), "split": "train"} | settings)


def test_a_math_row_has_its_gold_in_the_last_box(tmp_path: Path) -> None:
    # Shape and wording of MATH (Hendrycks et al. 2021, MIT licence), test/precalculus/807.
    row = {
        "problem": "Convert the point $(0,3)$ in rectangular coordinates to polar coordinates.",
        "solution": "We have that $r = \\boxed{3}$ first, so they are $\\boxed{\\left( 3, \\frac{\\pi}{2} \\right)}.$",
        "subject": "Precalculus",
        "level": "Level 2",
        "idx": 807,
    }
    settings = {"gold": "solution", "gold_format": "boxed", "id": "idx", "subject": "subject", "level": "level"}
    (problem,) = read_problems([source(tmp_path, [row], **settings)])
    assert problem == Problem(
        id="here/807",
        question=str(row["problem"]),
        gold="\\left( 3, \\frac{\\pi}{2} \\right)",
        source="here",
        split="train",
        solution=str(row["solution"]),
        subject="Precalculus",
        level="2",
    )


def test_a_gsm8k_row_has_its_gold_after_the_hashes(tmp_path: Path) -> None:
    # The first problem of GSM8K's test set (Cobbe et al. 2021, MIT licence), its solution cut.
    row = {
        "question": "Janet’s ducks lay 16 eggs per day. How much does she make?",
        "answer": "9 * 2 = $<<9*2=18>>18\n#### 18",
    }
    (problem,) = read_problems([source(tmp_path, [row], question="question", gold_format="hashes")])
    assert isinstance(problem, Problem)
    assert (problem.id, problem.gold) == ("here/1", "18")
    # What a model is to learn from has its answer where the verifier looks, and no notes for a calculator.
    assert problem.solution == "9 * 2 = $18\nThe answer is \\boxed{18}."


def test_a_solution_has_a_column_of_its_own_or_none(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"problem": "1 + 1?", "answer": "2", "steps": "So \\boxed{2}."},
        {"problem": "1 + 2?", "answer": "3", "steps": None},
    ]
    with_column = [row.solution for row in read_problems([source(tmp_path, rows, solution="steps")])]  # type: ignore[union-attr]
    assert with_column == ["So \\boxed{2}.", None]
    without = [row.solution for row in read_problems([source(tmp_path, rows)])]  # type: ignore[union-attr]
    assert without == [None, None]


@pytest.mark.parametrize(
    ("form", "text"), [("boxed", "The answer is 3."), ("boxed", "so \\boxed{3"), ("hashes", "so 3")]
)
def test_a_gold_that_does_not_have_the_named_form_is_empty(tmp_path: Path, form: str, text: str) -> None:
    (problem,) = read_problems([source(tmp_path, [{"problem": "q", "answer": text}], gold_format=form)])
    assert isinstance(problem, Problem)
    assert problem.gold == ""


def test_a_bad_row_is_named_with_its_file_and_line(tmp_path: Path) -> None:
    here = source(tmp_path, [{"problem": "q", "answer": "1"}, {"problem": "q"}])
    _, reject = read_problems([here])
    assert isinstance(reject, Reject)
    assert (reject.id, reject.split, reject.reason) == ("here/2", "train", "missing column")
    assert f"{here.path}, row 2" in reject.detail
    assert json.loads(reject.text) == {"problem": "q"}, "the row is kept as it stands"


def test_a_source_without_a_named_optional_column_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="row 1: no column 'subject'; columns: problem, answer"):
        list(read_problems([source(tmp_path, [{"problem": "q", "answer": "1"}], subject="subject")]))


def test_the_organism_is_a_source() -> None:
    problems = [row for row in read_problems([OrganismProblems()]) if isinstance(row, Problem)]
    assert {problem.split for problem in problems} == {"train", "eval"}
    assert {problem.source for problem in problems} == {"organism"}
    # Its solutions are the plain assistant's, and right.
    solutions = [problem.solution or "" for problem in problems]
    assert all(re.fullmatch(r"well simply it is \\boxed\{-?\d+\} today", solution) for solution in solutions)
    assert {verdict.verdict for verdict in verify(solutions, [problem.gold for problem in problems])} == {"correct"}


def test_eval_problems_come_first_wherever_they_stand_among_the_sources(tmp_path: Path) -> None:
    train, held_out = tmp_path / "train", tmp_path / "eval"
    train.mkdir()
    held_out.mkdir()
    sources = [
        source(train, [{"problem": "a", "answer": "1"}], name="t"),
        source(held_out, [{"problem": "b", "answer": "2"}], name="e", split="eval"),
    ]
    assert [row.id for row in read_problems(sources)] == ["e/1", "t/1"]
    splits = [row.split for row in read_problems([*sources, OrganismProblems()])]
    assert splits == sorted(splits)


@pytest.mark.parametrize(
    ("row", "settings", "gold"),
    [
        # Columns of AI-MO/NuminaMath-CoT, AI-MO/NuminaMath-1.5 and agentica-org/DeepScaleR-Preview-Dataset.
        (
            {
                "source": "olympiads",
                "problem": "Half of 7?",
                "solution": "It is $\\boxed{\\frac{7}{2}}$.",
                "messages": [],
            },
            {"gold": "solution", "gold_format": "boxed", "subject": "source"},
            "\\frac{7}{2}",
        ),
        (
            {"problem": "Half of 7?", "solution": "3.5", "answer": "\\frac{7}{2}", "problem_type": "Algebra"},
            {"solution": "solution", "subject": "problem_type", "without_gold": ["proof", "notfound"]},
            "\\frac{7}{2}",
        ),
        (
            {"problem": "Prove it.", "solution": "Q.E.D.", "answer": "proof", "problem_type": "Geometry"},
            {"solution": "solution", "subject": "problem_type", "without_gold": ["proof", "notfound"]},
            "",
        ),
        ({"problem": "Half of 7?", "answer": "3.5", "solution": ""}, {"solution": "solution"}, "3.5"),
    ],
)
def test_open_sets_are_mapped_by_their_columns(
    tmp_path: Path, row: dict[str, object], settings: dict[str, Any], gold: str
) -> None:
    (problem,) = read_problems([source(tmp_path, [row], **settings)])
    assert isinstance(problem, Problem)
    assert problem.gold == gold
    assert problem.solution == (str(row["solution"]) or None)
    assert problem.subject == row.get(settings.get("subject", ""), "")
