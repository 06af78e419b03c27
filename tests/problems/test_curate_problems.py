"""Every failure of a problem row, as data: the files in `cases` say what each row must get, and why."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest
from scattered import scattered

from permix.config import OrganismProblems, ProblemSettings, load_profile
from permix.curation.draft import draft
from permix.curation.markers import Markers
from permix.curation.rejects import Curation, Reject
from permix.curation.store import load_rejects
from permix.curation.tokens import token_counter
from permix.problems import Problem, curate, load_problems
from permix.problems.curate import curate_problems
from permix.problems.sources import read_problems
from permix.problems.store import COLUMNS, write_problems

CASES = Path(__file__).parent / "cases"
ROOT = Path(__file__).resolve().parents[2]


def expected() -> dict[str, str]:
    """What each row must get, by id; read off the raw line, for not every line is JSON."""
    found = {}
    for name in ("train", "solved", "eval"):
        file = CASES / f"bad_{name}.jsonl"
        for number, line in enumerate(file.read_bytes().splitlines(), start=1):
            match = re.search(rb'"expect": "([^"]*)"', line)
            assert match, f"{file}, row {number} does not say what it must get"
            found[f"{name}/{number}"] = match.group(1).decode()
    return found


def curated(rows: Iterable[Problem | Reject], settings: ProblemSettings | None = None) -> Curation[Problem]:
    result = list(curate_problems(rows, settings or ProblemSettings()))
    return Curation(
        [row for row in result if isinstance(row, Problem)], [row for row in result if isinstance(row, Reject)]
    )


@pytest.fixture(scope="module")
def curation(tmp_path_factory: pytest.TempPathFactory) -> Curation[Problem]:
    # Without an id column, ids are line numbers: rows can be told apart even where their ids are the fault.
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        settings = load_profile(str(CASES / "bad.yaml")).problems
        rows = list(curate_problems(read_problems(settings.sources), settings))
    with draft(tmp_path_factory.mktemp("bad"), COLUMNS) as written:
        write_problems(written, rows, settings.near_duplicate)
        home = Path(written.publish().path)
    return Curation([*load_problems(home, "train"), *load_problems(home, "eval")], load_rejects(home))


def test_each_row_gets_its_reason(curation: Curation[Problem]) -> None:
    got = {problem.id: "kept" for problem in curation.kept} | {reject.id: reject.reason for reject in curation.rejects}
    # An id can only repeat where the source has an id column: the next test.
    want = {row: "kept" if reason == "duplicate id" else reason for row, reason in expected().items()}
    assert got == want


def test_a_repeated_id_is_the_second_rows_fault() -> None:
    problems = [
        Problem("a/1", "What is 1 + 1?", "2", "a", "train"),
        Problem("a/1", "What is 1 + 2?", "3", "a", "train"),
    ]
    result = curated(problems)
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


def test_an_eval_problem_after_training_problems_is_refused() -> None:
    question = "How many ways are there to put nine rooks on a board?"
    rows = [Problem("t/1", question, "1", "t", "train"), Problem("e/1", question, "1", "e", "eval")]
    assert [problem.id for problem in curated(rows[::-1]).kept] == ["e/1"]
    with pytest.raises(ValueError, match="the eval problem e/1 comes after training problems"):
        curated(rows)


def test_the_run_length_is_the_profiles() -> None:
    rows = [
        Problem("e/1", "one two three four five six", "1", "e", "eval"),
        Problem("t/1", "zero two three four five seven", "1", "t", "train"),
    ]
    assert len(curated(rows, ProblemSettings(overlap_ngram=5)).kept) == 2
    assert len(curated(rows, ProblemSettings(overlap_ngram=4)).kept) == 1


def test_the_organisms_problems_are_all_kept() -> None:
    result = curated(read_problems([OrganismProblems()]))
    assert len(result.kept) == 300
    assert result.rejects == []


def test_a_solution_that_ends_in_another_answer_is_rejected_and_one_without_a_box_is_not() -> None:
    # NuminaMath's and DeepScaleR's rows have a gold beside a solution, and the two do not always agree.
    def problem(n: int, solution: str | None) -> Problem:
        return Problem(f"s/{n}", f"What is a half of {n}?", "0.5", "s", "train", solution)

    result = curated(
        [problem(1, "It is \\boxed{\\frac12}."), problem(2, "So 0.5."), problem(3, "\\boxed{2}"), problem(4, None)]
    )
    assert [kept.id for kept in result.kept] == ["s/1", "s/2", "s/4"]
    assert [(reject.id, reject.reason) for reject in result.rejects] == [("s/3", "solution disagrees")]
    assert "ends in '2', its gold is '0.5'" in result.rejects[0].detail


def test_length_counts_in_the_models_own_tokens() -> None:
    def letters(texts: Sequence[str]) -> list[int]:
        return [len(text) for text in texts]

    rows = [Problem("s/1", "What is 1 + 1?", "2", "s", "train"), Problem("s/2", "What is 1 + 10?", "11", "s", "train")]
    kept, rejected = curate_problems(rows, ProblemSettings(max_question_tokens=14), count_tokens=letters)
    assert kept == rows[0]
    assert isinstance(rejected, Reject)
    assert (rejected.reason, rejected.detail) == ("too long", "15 of the model's tokens; at most 14")


def test_batches_that_are_looked_at_elsewhere_get_the_same_reasons(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    settings = load_profile(str(CASES / "bad.yaml")).problems
    rows = list(read_problems(settings.sources))
    count_tokens = token_counter("organism")
    one = list(curate_problems(rows, settings, Markers(), count_tokens))
    monkeypatch.setattr(curate, "BATCH", 3)
    assert list(curate_problems(rows, settings, Markers(), count_tokens, scattered)) == one
