from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from permix.curation.rejects import Curation, Reject
from permix.curation.store import load_rejects
from permix.problems import Problem, load_problems, save_problems
from permix.reference import facts, finished

PROBLEMS = [
    Problem("a/1", "What is $\\frac12$ of 3?", "1.5", "a", "train", solution="½·3", subject="Algebra", level="2"),
    Problem("a/2", "Wie groß?", "3", "a", "eval"),
]
REJECTS = [Reject("a/3", "a", "train", "contaminated", "like a/2", "Wie groß ?", "a/2", 0.75)]


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    reference = save_problems(Curation(PROBLEMS, REJECTS), tmp_path / "problems", settings={"overlap_ngram": 8})
    home = Path(reference.path)
    assert home == tmp_path / "problems" / reference.digest[:12]
    assert finished(home) == reference
    assert load_problems(home, "train") == PROBLEMS[:1]
    assert load_problems(home, "eval") == PROBLEMS[1:]
    assert load_rejects(home) == REJECTS
    assert facts(reference)["settings"] == {"overlap_ngram": 8}
    assert facts(reference)["counts"][1] == {
        "source": "a", "split": "train", "rows": 2, "kept": 1, "rejected": {"contaminated": 1},
    }  # fmt: skip
    assert sorted(path.name for path in (tmp_path / "problems").iterdir()) == [reference.digest[:12]], (
        "no draft is left"
    )


def test_a_split_without_rows_is_a_file_without_rows(tmp_path: Path) -> None:
    reference = save_problems(Curation(PROBLEMS[:1], []), tmp_path)
    assert load_problems(Path(reference.path), "eval") == []
    assert load_rejects(Path(reference.path)) == []


def test_another_process_in_another_place_makes_the_same_digest(tmp_path: Path) -> None:
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); from pathlib import Path; from test_store import *\n"
        "print(save_problems(Curation(PROBLEMS, REJECTS), Path('elsewhere'), settings='others').digest)"
    )
    other = subprocess.run(
        [sys.executable, "-c", script, str(Path(__file__).parent)],
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONHASHSEED": "7",
            "TZ": "Asia/Tokyo",
            "LC_ALL": "C",
            "ARROW_DEFAULT_MEMORY_POOL": "system",
        },
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    assert other == save_problems(Curation(PROBLEMS, REJECTS), tmp_path / "here").digest


def test_changed_content_is_another_version_and_changed_facts_are_not(tmp_path: Path) -> None:
    first = save_problems(Curation(PROBLEMS, REJECTS), tmp_path, settings=1)
    again = save_problems(Curation(PROBLEMS, REJECTS), tmp_path, settings=2)
    other = save_problems(Curation(PROBLEMS[::-1], []), tmp_path, settings=2)
    assert first == again != other
    assert facts(again)["settings"] == 2


def test_a_damaged_set_is_made_whole_again(tmp_path: Path) -> None:
    reference = save_problems(Curation(PROBLEMS, REJECTS), tmp_path)
    reference.file("train.parquet").write_bytes(b"damaged")
    save_problems(Curation(PROBLEMS, REJECTS), tmp_path)
    assert load_problems(Path(reference.path), "train") == PROBLEMS[:1]
