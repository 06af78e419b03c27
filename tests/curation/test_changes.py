"""What is said to be different between two versions of a set."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from permix.curation.changes import Change, changes_markdown, compare, previous_version
from permix.curation.rejects import Curation, Reject
from permix.problems import Problem, save_problems
from permix.reference import MANIFEST, Reference

PROBLEMS = [Problem(f"a/{n}", f"What is {n} + {n}?", str(2 * n), "a", "train") for n in range(1, 5)]


def saved(folder: Path, problems: list[Problem], rejects: list[Reject] | None = None) -> Reference:
    return save_problems(Curation(problems, rejects or []), folder)


def rejected(problem: Problem, reason: str) -> Reject:
    return Reject(problem.id, problem.source, problem.split, reason, "", problem.question)


def test_added_removed_and_changed_rows_are_told_apart(tmp_path: Path) -> None:
    new = Problem("a/9", "What is 9 + 9?", "18", "a", "eval")
    mended = replace(PROBLEMS[1], gold="four", split="eval")
    old = saved(tmp_path, PROBLEMS)
    changes = compare(old, saved(tmp_path, [PROBLEMS[0], mended, PROBLEMS[3], new]))
    assert changes == [
        Change("added", "a/9", "a", "eval", "", "What is 9 + 9?"),
        Change("removed", "a/3", "a", "train", "", "What is 3 + 3?"),
        Change("changed", "a/2", "a", "eval", "gold: '4' → 'four'; split: 'train' → 'eval'", "What is 2 + 2?"),
    ]


def test_a_line_put_in_before_the_others_is_one_row_more(tmp_path: Path) -> None:
    # Without an id column, ids are line numbers: every row after it has another.
    moved = [replace(problem, id=f"a/{n}") for n, problem in enumerate(PROBLEMS, start=2)]
    changes = compare(saved(tmp_path, PROBLEMS), saved(tmp_path, [Problem("a/1", "New?", "1", "a", "train"), *moved]))
    assert [(change.kind, change.id, change.detail) for change in changes] == [
        ("added", "a/1", ""),
        ("renumbered", "a/2", "was a/1"),
        ("renumbered", "a/3", "was a/2"),
        ("renumbered", "a/4", "was a/3"),
        ("renumbered", "a/5", "was a/4"),
    ]


def test_a_row_that_came_from_the_rejects_or_went_there_says_so(tmp_path: Path) -> None:
    first, second, *rest = PROBLEMS
    old = saved(tmp_path, [first, *rest], [rejected(second, "no gold")])
    changes = compare(old, saved(tmp_path, [second, *rest], [rejected(first, "contaminated")]))
    assert [(change.kind, change.id, change.detail) for change in changes] == [
        ("added", "a/2", "was rejected: no gold"),
        ("removed", "a/1", "now rejected: contaminated"),
    ]


def test_versions_that_differ_in_their_rejects_alone_keep_the_same_rows(tmp_path: Path) -> None:
    old = saved(tmp_path, PROBLEMS[1:])
    new = saved(tmp_path, PROBLEMS[1:], [rejected(PROBLEMS[0], "no gold")])
    assert old != new
    assert compare(old, new) == []
    assert "No kept row is different" in changes_markdown(old, [])


def test_everything_may_go_and_come(tmp_path: Path) -> None:
    whole, empty = saved(tmp_path, PROBLEMS), saved(tmp_path, [])
    assert [change.kind for change in compare(whole, empty)] == ["removed"] * 4
    assert [change.kind for change in compare(empty, whole)] == ["added"] * 4


def test_the_report_counts_all_and_shows_the_first(tmp_path: Path) -> None:
    old = saved(tmp_path, PROBLEMS[:1])
    more = [Problem(f"b/{n:02d}", f"Is {n} | {n}?", "1", "b", "train") for n in range(12)]
    report = changes_markdown(old, compare(old, saved(tmp_path, [*PROBLEMS[:1], *more])))
    assert f"since version `{old.short}`" in report
    assert "| b | 12 | 0 | 0 | 0 |" in report
    assert "### added: 12 (the first 10)" in report
    assert "`b/09`" in report
    assert "`b/10`" not in report
    assert "Is 9 &#124; 9?" in report


def test_the_previous_version_is_the_last_written_with_a_source_of_that_name(tmp_path: Path) -> None:
    assert previous_version(tmp_path, {"a"}) is None
    versions = [
        saved(tmp_path, PROBLEMS),
        saved(tmp_path, PROBLEMS[1:]),
        saved(tmp_path, [replace(PROBLEMS[0], source="b")]),
    ]
    for second, version in enumerate(versions):
        os.utime(version.file(MANIFEST), (second, second))
    assert previous_version(tmp_path, {"a", "c"}) == versions[1]
    assert previous_version(tmp_path, {"b"}) == versions[2]
    assert previous_version(tmp_path, {"c"}) is None
    versions[1].file(MANIFEST).unlink()
    assert previous_version(tmp_path, {"a"}) == versions[0], "what has no manifest is not finished"
    versions[0].file("rejects.parquet").unlink()
    assert previous_version(tmp_path, {"a"}) is None, "what is no longer whole cannot be compared with"
