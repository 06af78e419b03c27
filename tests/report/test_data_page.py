from __future__ import annotations

import re
from pathlib import Path

from permix.curation.rejects import Curation, Reject
from permix.personas import Persona, save_personas
from permix.problems import Problem, save_problems
from permix.report.data_facts import read_set
from permix.report.data_page import data_page

PROBLEMS = [
    *(Problem(f"m/{n}", f"What is {n} plus one?", str(n + 1), "m", "train", subject="Algebra") for n in range(1, 7)),
    Problem("h/1", "How many <b>corners</b> has a cube?", "8", "h", "eval", subject="Geometry", level="2"),
]
RATES = {"0 of 2": 1, "1 of 2": 6, "2 of 2": 0}
REJECTS = [
    Reject("m/7", "m", "train", "contaminated", "88% of its runs", "<script>alert(1)</script>", "h/1", 0.88),
    Reject("m/8", "m", "train", "contaminated", "40% of its runs", "How many corners?", "h/1", 0.4),
    Reject("m/9", "m", "train", "no gold", "no box", "Why?"),
]


def test_what_there_is_to_show_is_counted_from_the_files(tmp_path: Path) -> None:
    found = read_set("problems", save_problems(Curation(PROBLEMS, REJECTS), tmp_path))
    assert found.kept == {"train": 6, "eval": 1}
    assert found.reasons == {"contaminated": 2, "no gold": 1}
    algebra, geometry = found.groups["subject"]
    assert (algebra.value, algebra.counts, algebra.shares) == (
        "Algebra",
        {"train": 6, "eval": 0},
        {"train": 1, "eval": 0},
    )
    assert geometry.counts == {"train": 0, "eval": 1}
    assert [group.value for group in found.groups["level"]] == ["2", "not given"]
    assert {split: sum(bin.counts[split] for bin in found.lengths) for split in ("train", "eval")} == found.kept
    assert max(bin.high for bin in found.lengths) == 6
    (overlap,) = found.overlaps
    assert (overlap.id, overlap.text, overlap.rejected) == ("h/1", PROBLEMS[-1].question, 2)
    assert (overlap.worst, found.overlapped) == (REJECTS[0], 1)
    assert found.examples == {"contaminated": REJECTS[:2], "no gold": REJECTS[2:]}


def test_an_empty_set_has_a_page(tmp_path: Path) -> None:
    found = read_set("problems", save_problems(Curation([], []), tmp_path))
    assert (found.lengths, found.groups, found.overlaps) == ([], {}, [])
    assert "rejected rows" in data_page([found])


def test_the_page_is_one_file_and_text_is_never_markup(tmp_path: Path) -> None:
    personas = [
        Persona("p/1", "You are a clerk.", "everyday", "train", "p"),
        Persona("p/2", "You are a <i>poet</i>.", "roleplay", "eval", "p"),
    ]
    accepted = vars(Reject("p/2", "p", "eval", "excluded", "a poet", "You are a <i>poet</i>."))
    facts = {"accepted": [accepted], "since": {"version": "f" * 64, "markdown": "### added: 1 <u>"}, "tokenizer": "x"}
    page = data_page(
        [
            read_set(
                "problems",
                save_problems(Curation(PROBLEMS, REJECTS), tmp_path / "problems", tokenizer="x", pass_rates=RATES),
            ),
            read_set("personas", save_personas(Curation(personas, []), tmp_path / "personas", **facts)),
        ]
    )
    for mark in ("<script", "<b>corners", "<i>poet", "<u>"):
        assert mark not in page
    assert "&lt;script&gt;alert(1)" in page
    assert not re.search(r"(?:src|href)=|@import|url\(", page), "it asks for no other file"
    for words in (
        "held-out problems",
        "by subject",
        "by kind",
        "1 of 2",
        "shares 88%",
        "1 more rejected",
        "ffffffffffff",
    ):
        assert words in page
    assert "33% of m (train) was rejected" in page
    assert "1 of the personas are kept against a check" in page
    assert "tokenizer was not at hand" not in page
