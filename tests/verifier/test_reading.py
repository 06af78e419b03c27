"""Where an answer is read: labelled replies, the order of places, and what never changes what is read."""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from permix.verifier import (
    BOXED,
    Read,
    check_read,
    choice,
    contradiction,
    find_answer,
    prose,
    reading,
    verify,
    verify_each,
)
from permix.verifier.reading import PLACES

ROWS: list[dict[str, Any]] = [
    json.loads(line) for line in (Path(__file__).parent / "cases" / "reading.jsonl").read_text("utf-8").splitlines()
]
LOOSE: Read = ("hashes", "phrase", "tag", "number")
EVERY: Read = ("boxed", "hashes", "phrase", "tag", "choice", "number")
REPLIES = st.sampled_from([row["completion"] for row in ROWS])
READS = st.permutations(PLACES).flatmap(lambda order: st.integers(1, len(order)).map(lambda many: tuple(order[:many])))
PROPERTY = settings(max_examples=300, deadline=None, derandomize=True)


def judged(row: dict[str, Any]) -> str:
    return verify([row["completion"]], [row["gold"]], check_read(row["read"].split(",")))[0].verdict


def test_labelled_replies() -> None:
    """Labels are a person's, set before the verifier was asked; what the rule is known to misread says so."""
    wrong = [
        f"{row['gold']} | {row['completion'][-120:]!r}: {judged(row)}, should be {row['verdict']}"
        for row in ROWS
        if "misread" not in row and judged(row) != row["verdict"]
    ]
    assert not wrong, "\n".join(wrong)


def test_what_is_misread_is_never_called_correct() -> None:
    known = [row for row in ROWS if "misread" in row]
    assert {judged(row) for row in known} == {"incorrect"}
    assert {row["verdict"] for row in known} == {"correct"}, "a misread reply that was put right needs no excuse"


def test_cases_are_many_and_at_least_half_are_incorrect() -> None:
    assert all(row["source"] and row["tags"] for row in ROWS)
    verdicts = Counter(row["verdict"] for row in ROWS)
    assert verdicts["incorrect"] * 2 >= len(ROWS) >= 500


@pytest.mark.parametrize(
    ("completion", "read", "place", "text"),
    [
        (r"The answer is 5. #### 6 \boxed{7}", ("boxed", "phrase"), "boxed", "7"),
        (r"The answer is 5. #### 6 \boxed{7}", ("phrase", "boxed"), "phrase", "5"),
        (r"The answer is 5. #### 6", ("boxed", "hashes", "phrase"), "hashes", "6"),
        ("It is 4. The answer is 5.", ("number", "phrase"), "number", "5"),
        ("<answer>3</answer> The answer is 5.", ("tag", "phrase"), "tag", "3"),
        ("So (B), which is 5.", ("choice", "number"), "choice", "B"),
        ("So (B), which is 5.", ("number",), "number", "5"),
        (r"Put it in \boxed{}. It is 5.", ("boxed", "number"), "number", "5"),
        (r"<think>\boxed{4}</think> The answer is 5.", ("boxed", "phrase"), "phrase", "5"),
        (r"<think>\boxed{4}</think> Done.", ("boxed", "phrase"), "boxed", "4"),
    ],
)
def test_the_first_place_with_an_answer_decides(completion: str, read: Read, place: str, text: str) -> None:
    assert find_answer(completion, read) == (place, text)


def test_a_choice_is_read_where_the_gold_is_a_letter() -> None:
    reply = "The answer is (B) 24."
    assert [verdict.answer for verdict in verify([reply] * 3, ["B", "24", r"\text{(C)}"], EVERY)] == ["B", "24", "B"]
    assert verify(["(B)"], ["24"], ("choice",))[0].place is None


def test_parts_are_read_alike() -> None:
    replies, golds = [row["completion"] for row in ROWS], [row["gold"] for row in ROWS]
    assert verify_each(replies, golds, read=EVERY) == verify(replies, golds, EVERY)


def test_a_verdict_tells_the_place() -> None:
    verdicts = verify(["It is 7.", r"\boxed{7}", "none", r"\boxed{}"], ["7"] * 4, EVERY)
    assert [(verdict.place, verdict.answer) for verdict in verdicts] == [
        ("number", "7"),
        ("boxed", "7"),
        (None, None),
        (None, ""),
    ]


# --- properties


@PROPERTY
@given(REPLIES, REPLIES)
def test_boxes_alone_see_nothing_else(before: str, after: str) -> None:
    if "boxed" not in before + after:
        assert find_answer(before + after) is None
        assert find_answer(f"{before} \\boxed{{41}} {after}") == ("boxed", "41")


@PROPERTY
@given(REPLIES, READS)
def test_a_preferred_place_is_not_outvoted(reply: str, read: Read) -> None:
    """What is found is what its place alone finds, and no place before it finds anything."""
    letters = "choice" in read
    found = find_answer(reply, read)
    alone = {
        place: reading._tagged(reading._reply(reply)[0], letters=letters)
        if place == "tag"
        else reading._boxed(reading._reply(reply)[0])
        if place == "boxed"
        else reading._in_prose(place, reading._without_code(reading._reply(reply)[0]), letters=letters)
        for place in read
    }
    holding = [place for place in read if (one := alone[place]) is not None and one.text.strip()]
    if holding:
        assert found == alone[holding[0]]
    elif "boxed" not in read:
        assert found is None or not found.text.strip()


@PROPERTY
@given(REPLIES)
def test_more_places_never_lose_an_answer(reply: str) -> None:
    for many in range(1, len(LOOSE)):
        fewer = find_answer(reply, LOOSE[:many])
        if fewer is not None and fewer.text.strip():
            assert find_answer(reply, LOOSE[: many + 1]) == fewer


INTEGERS = st.integers(-99_999, 99_999)
SAYINGS = ["So it is {}", "The answer is {}", "the final answer: {}", "Arr! She has {}", "x = {}", "That leaves {}"]


def spellings(value: int) -> list[str]:
    return [
        str(value), f"{value:,}", f"**{value}**", f"**{value:,}**", f"${value}$", f"\\({value}\\)", f"{value}.0",
        str(value).replace("-", "−"), f"`{value}`", f"{value} apples", f'"{value}"', f"({value})",
    ]  # fmt: skip


@PROPERTY
@given(INTEGERS, st.sampled_from(SAYINGS), st.integers(0, 11), st.sampled_from(["", ".", "!", ".\n", " \n\n"]))
def test_a_value_is_read_however_it_is_written(value: int, saying: str, way: int, end: str) -> None:
    reply = saying.format(spellings(value)[way]) + end
    (verdict,) = verify([reply], [str(value)], LOOSE)
    assert verdict.verdict == "correct", (reply, verdict)


NAMED_TWICE = [
    "{} or {}", "either {} or {}", "{}, {}", "{} and {}", "between {} and {}", "{} to {}", "{} or maybe {}", "{}/{}",
    "{} apples or {} apples", "{}\nOr {}",
]  # fmt: skip


@PROPERTY
@given(INTEGERS, INTEGERS, st.sampled_from(NAMED_TWICE), st.sampled_from(SAYINGS))
def test_two_values_are_no_answer(one: int, other: int, naming: str, saying: str) -> None:
    if one == other or other == 0 or (naming == "{}/{}" and one % other == 0):
        return
    reply = saying.format(naming.format(one, other))
    if naming == "{}/{}" and one / other in (one, other):
        return
    verdicts = verify([reply] * 2, [str(one), str(other)], LOOSE)
    assert [verdict.verdict for verdict in verdicts] == ["incorrect"] * 2, (reply, verdicts)


@PROPERTY
@given(st.integers(100, 9_999), st.integers(100, 9_999), st.sampled_from(["not {} but {}", "not {}, it's {}"]))
def test_what_is_denied_is_not_the_answer(denied: int, said: int, naming: str) -> None:
    for reply in (f"The answer is {naming.format(denied, said)}.", f"It is {said}, not {denied}."):
        if denied != said:
            verdicts = verify([reply] * 2, [str(said), str(denied)], LOOSE)
            assert [verdict.verdict for verdict in verdicts] == ["correct", "incorrect"], reply


@PROPERTY
@given(REPLIES)
def test_never_correct_when_the_gold_stands_nowhere(reply: str) -> None:
    gold = "7310583"
    assert verify([reply], [gold], LOOSE)[0].verdict == "incorrect"


@PROPERTY
@given(REPLIES)
def test_unfinished_thinking_holds_no_answer(reply: str) -> None:
    if "boxed" not in reply:
        assert find_answer(f"<think>{reply.replace('</', '')}", LOOSE) is None
        assert find_answer(f"<think>{reply}</think>The answer is 41.", ("phrase", "number")) == ("phrase", "41")


@PROPERTY
@given(REPLIES)
def test_reading_what_was_read_reads_the_same(reply: str) -> None:
    found = find_answer(reply, ("tag", "number"))
    if found is not None and re.fullmatch(r"-?[0-9]+", found.text):
        for again in (
            found.text,
            f"The answer is {found.text}.",
            f"<answer>{found.text}</answer>",
            f"#### {found.text}",
        ):
            second = find_answer(again, LOOSE)
            assert second is not None
            assert second.text == found.text


# --- hostile replies

BLOCKS = [
    "7 ", "7", "7,", "1,234", "7 or ", "-", "- 7\n", "7\n", "\n", " ", "\\(", "\\[", "$", "$$", "$7 ", "\\frac{", "[",
    "\\frac{1}{2}", "{", "\\a", "answer", "answer is ", "the answer to ", "answer is 7 ", "the answer is\n", "####",
    "#### 7\n", "<answer>", "<answer>7</answer>", "</answer>", "<think>", "</think>7", "```", "(A) ", "(A)\n",
    "A. x\nB. x\n", "Option ", "not ", "x2", "7x + ", "7 x ", "**", "*", "?", "7? ", "not 7. ", "no word ", "é", "７",
    "\t7", "=7", "cm ", "7 cm ", "\\text{", "7?\n", "not 7\n",
]  # fmt: skip


def calls(reply: str) -> int:
    """How many functions, Python's own and built-in ones, reading a reply calls: work by count, not by the clock."""
    counted = 0

    def count(_: FrameType, event: str, __: Any) -> None:
        nonlocal counted
        counted += event in {"call", "c_call"}

    sys.setprofile(count)
    try:
        find_answer(reply, EVERY)
        find_answer(reply, LOOSE)
    finally:
        sys.setprofile(None)
    return counted


@pytest.mark.parametrize("block", BLOCKS)
def test_work_grows_with_the_length(block: str) -> None:
    short, long = calls(block * 1_000), calls(block * 4_000)
    assert long < 5 * short + 1_000, "four times the text is four times the work"


def test_no_pattern_can_go_back_for_ever() -> None:
    """No unbounded repeat holds another one whose turns could be cut in two ways: nothing to go back over."""
    for module in (reading, prose, choice):
        for name, pattern in vars(module).items():
            if isinstance(pattern, re.Pattern):
                assert not re.search(r"\([^()]*[*+]\)[*+]", pattern.pattern), f"{module.__name__}.{name}"


@pytest.mark.parametrize("block", BLOCKS)
def test_megabytes_are_read(block: str) -> None:
    """A hang would be hours."""
    reply = block * (2_000_000 // len(block))
    for read in (EVERY, LOOSE):
        found = find_answer(reply, read)
        assert found is None or len(found.text) <= 1_000_001


def test_places_are_checked() -> None:
    assert check_read(["boxed", "number"]) == ("boxed", "number")
    for names, fault in [
        (["numbr"], "did you mean 'number'"),
        (["box"], "did you mean 'boxed'"),
        (["zzz"], "places are boxed, hashes"),
        (["tag", "tag"], "twice"),
        ([], "no place"),
        ([""], "no place"),
    ]:
        with pytest.raises(ValueError, match=fault):
            check_read(names)


@pytest.mark.parametrize(
    ("instruction", "asked"),
    [
        (r"Put the final answer in \boxed{}.", "boxed"),
        ("Your answer should be boxed.", "boxed"),
        ('Let\'s think step by step and output the final answer after "####".', "hashes"),
        ("Give it between <answer> and </answer>.", "tag"),
        ('End with "The answer is" and the number.', "phrase"),
        ("The last line should be of the form Answer: $Answer (without quotes).", "phrase"),
        ("Finish by saying: the answer is X.", "phrase"),
        ("End your reply with 'Final answer: …'.", "phrase"),
    ],
)
def test_an_instruction_that_asks_for_what_is_not_read(instruction: str, asked: str) -> None:
    others = check_read(place for place in PLACES if place != asked)
    reason = contradiction(instruction, others)
    assert reason is not None
    assert asked in reason
    assert contradiction(instruction, check_read([asked])) is None


@pytest.mark.parametrize(
    "instruction",
    [
        "",
        "Let's think step by step.",
        "The answer is an integer between 0 and 999.",
        "Answer with a number.",
        "Think first, then answer.",
        "### Task\nSolve it.",
        "Answer with the letter.",
    ],
)
def test_an_instruction_that_names_no_form_fits_every_way(instruction: str) -> None:
    assert all(contradiction(instruction, (place,)) is None for place in PLACES)


def test_one_of_the_forms_asked_for_is_enough() -> None:
    assert contradiction(r"Reason, then write <answer>\boxed{…}</answer>.", BOXED) is None
