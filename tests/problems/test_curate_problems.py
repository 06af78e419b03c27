"""Every failure of a problem row, as data: `cases/bad_train.jsonl` and `bad_eval.jsonl` say what each row must get."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from permix.config import FileProblems, OrganismProblems, ProblemSettings
from permix.curation.rejects import Curation
from permix.problems import Problem
from permix.problems.curate import curate_problems
from permix.problems.sources import read_problems

CASES = Path(__file__).parent / "cases"
FILES = {"train": CASES / "bad_train.jsonl", "eval": CASES / "bad_eval.jsonl"}


def expected() -> dict[tuple[str, str], str]:
    """What each row must get, by split and line number; read off the raw line, for not every line is JSON."""
    found = {}
    for split, file in FILES.items():
        for number, line in enumerate(file.read_bytes().splitlines(), start=1):
            match = re.search(rb'"expect": "([^"]*)"', line)
            assert match, f"{file}, row {number} does not say what it must get"
            found[split, str(number)] = match.group(1).decode()
    return found


@pytest.fixture(scope="module")
def curation() -> Curation[Problem]:
    # Without an id column, ids are line numbers: rows can be told apart even where their ids are the fault.
    sources = tuple(
        FileProblems.model_validate({"kind": "file", "name": split, "path": str(file), "split": split})
        for split, file in FILES.items()
    )
    return curate_problems(read_problems(sources), ProblemSettings(sources=sources, max_question_chars=300))


def test_each_row_gets_its_reason(curation: Curation[Problem]) -> None:
    got = {(problem.split, problem.id.partition("/")[2]): "kept" for problem in curation.kept}
    got |= {(reject.split, reject.id.partition("/")[2]): reject.reason for reject in curation.rejects}
    # An id can only repeat where the source has an id column: the next test.
    want = {row: "kept" if reason == "duplicate id" else reason for row, reason in expected().items()}
    assert got == want


def test_a_repeated_id_is_the_second_rows_fault() -> None:
    problems = [
        Problem("a/1", "What is 1 + 1?", "2", "a", "train"),
        Problem("a/1", "What is 1 + 2?", "3", "a", "train"),
    ]
    result = curate_problems(problems, ProblemSettings())
    assert result.kept == problems[:1]
    assert [reject.reason for reject in result.rejects] == ["duplicate id"]


def test_contamination_names_the_eval_problem_and_the_shared_words(curation: Curation[Problem]) -> None:
    whole, run = (reject for reject in curation.rejects if reject.reason == "contaminated")
    if whole.share < run.share:
        whole, run = run, whole
    assert (whole.other, whole.share) == ("eval/1", 1.0)
    assert run.other == "eval/1"
    assert "at each of its 4 stops a quarter gets off how many arrive" in run.detail
    # Its 16 words make 9 runs of 8; the 13 shared ones hold 6 of them.
    assert run.share == pytest.approx(6 / 9)


def test_eval_decides_wherever_it_stands_among_the_sources() -> None:
    question = "How many ways are there to put nine rooks on a board?"
    rows = [Problem("t/1", question, "1", "t", "train"), Problem("e/1", question, "1", "e", "eval")]
    for order in (rows, rows[::-1]):
        result = curate_problems(order, ProblemSettings())
        assert [problem.id for problem in result.kept] == ["e/1"]
        assert result.rejects[0].other == "e/1"


def test_the_run_length_is_the_profiles() -> None:
    rows = [
        Problem("e/1", "one two three four five six", "1", "e", "eval"),
        Problem("t/1", "zero two three four five seven", "1", "t", "train"),
    ]
    assert len(curate_problems(rows, ProblemSettings(overlap_ngram=5)).kept) == 2
    assert len(curate_problems(rows, ProblemSettings(overlap_ngram=4)).kept) == 1


def test_the_organisms_problems_are_all_kept() -> None:
    result = curate_problems(read_problems([OrganismProblems()]), ProblemSettings())
    assert len(result.kept) == 300
    assert result.rejects == []
