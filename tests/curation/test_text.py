from __future__ import annotations

import pytest

from permix.curation.text import jaccard, normalised, runs, words


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("What is  3 + 4?", "what is 3+4 ?"),
        ("Janet’s ducks", "Janet's ducks"),
        ("caf\u00e9", "cafe\u0301"),
        ("STRASSE", "straße"),
    ],
)
def test_letter_case_spacing_and_typography_do_not_make_two_texts(left: str, right: str) -> None:
    assert normalised(left) == normalised(right)


@pytest.mark.parametrize(("left", "right"), [("3 + 4", "3 - 4"), ("5² = x", "52 = x"), ("1 2", "12"), ("3.5", "35")])
def test_signs_and_numbers_make_two_texts(left: str, right: str) -> None:
    assert normalised(left) != normalised(right)


def test_words_leave_out_signs_and_the_code_of_drawings() -> None:
    assert words("The area [asy]\ndraw((0,0)--(1,1));\n[/asy] of $ABC$ is 3.") == [
        "the",
        "area",
        "of",
        "abc",
        "is",
        "3",
    ]


def test_runs_are_all_stretches_of_that_many_words() -> None:
    assert runs("One, two: three", 2) == [("one", "two"), ("two", "three")]
    assert runs("One, two: three", 4) == []


def test_jaccard_is_shared_over_all() -> None:
    assert jaccard(frozenset("abc"), frozenset("bcd")) == 0.5
    assert jaccard(frozenset(), frozenset()) == 0.0
