"""Properties: a verdict does not depend on spacing, on how a fraction or bracket is written, or on who is talking."""

from __future__ import annotations

import json
import re
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from permix.verifier import verify

CASES = Path(__file__).parent / "cases"
ROWS = [json.loads(line) for line in (CASES / "rule.jsonl").read_text(encoding="utf-8").splitlines()]
# Answers without text, in which a space means something, and without what is not LaTeX to begin with.
PAIRS = [
    (row["gold"], row["answer"], row["verdict"])
    for row in ROWS
    if not re.search(r"[a-zA-Z]{2}|[^\x20-\x7e]|\? |\\\\\[|\\ ", re.sub(r"\\[a-zA-Z]+", "", row["answer"]))
    and "text" not in row["answer"]
    and "begin" not in row["answer"]
    and not re.search(r"[0-9]e", row["answer"])
]

SPACES = ["", " ", r"\,", r"\;", "  ", r"\!"]
CHATTER = [
    "Arr, me hearty!",
    "Indeed, good sir; allow me.",
    "As a mathematician, I note that $x^2 \\ge 0$.",
    "So {this} is it: ",
    "I first thought \\boxed{41} but no.",
    "```python\nprint(1)\n```",
    "**Final answer**",
    "\n\n",
    "}",
    "It costs \\$5.",
]
AFTERWARDS = [line for line in CHATTER if "boxed" not in line]


@st.composite
def respelled(draw: st.DrawFn) -> tuple[str, str, str]:
    """A labelled pair, its answer written another way."""
    gold, answer, verdict = draw(st.sampled_from(PAIRS))
    fraction = draw(st.sampled_from([r"\frac", r"\dfrac", r"\tfrac"]))
    answer = re.sub(r"\\[dt]?frac(?![a-zA-Z])", lambda _: fraction, answer)
    if draw(st.booleans()) and answer.count("(") == answer.count(")") and "[" not in answer and "\\(" not in answer:
        answer = answer.replace("(", r"\left(").replace(")", r"\right)")
    # Not before a comma between digits: 10 ,080 is no number.
    parts = re.split(r"(?<=[^\\,<>])(?=[-+=()])|(?<=[^\\0-9{])(?=,)", answer)
    spaces = st.sampled_from(SPACES[:4])
    answer = "".join(part + (draw(spaces) if index + 1 < len(parts) else "") for index, part in enumerate(parts))
    answer = draw(spaces) + answer + draw(spaces)
    if draw(st.booleans()):
        answer = f"${answer}$"
    return gold, answer, verdict


@settings(max_examples=600, deadline=None, derandomize=True)
@given(respelled(), st.lists(st.sampled_from(CHATTER), max_size=4), st.lists(st.sampled_from(AFTERWARDS), max_size=4))
def test_verdicts_survive_reformatting(pair: tuple[str, str, str], before: list[str], after: list[str]) -> None:
    gold, answer, expected = pair
    completion = " ".join([*before, f"\\boxed{{{answer}}}", *after])
    (verdict,) = verify([completion], [gold])
    assert verdict.verdict == expected, (gold, answer, verdict)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.integers(-(10**30), 10**30), st.sampled_from(CHATTER), st.sampled_from(AFTERWARDS))
def test_integers_in_any_voice(value: int, before: str, after: str) -> None:
    right, wrong = verify([f"{before} \\boxed{{ {shown} }} {after}" for shown in (value, value + 1)], [str(value)] * 2)
    assert (right.verdict, wrong.verdict) == ("correct", "incorrect")


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.integers(-999, 999), st.integers(1, 999))
def test_fractions_in_any_notation(top: int, bottom: int) -> None:
    gold = f"\\frac{{{top}}}{{{bottom}}}"
    written = [gold, f"{top}/{bottom}", f"\\dfrac{{{-top}}}{{{-bottom}}}", f"-\\frac{{{-top}}}{{{bottom}}}"]
    if top % bottom == 0:  # division left undone
        gold = str(top // bottom)
        assert {verdict.verdict for verdict in verify([f"\\boxed{{{text}}}" for text in written], [gold] * 4)} == {
            "incorrect"
        }
        return
    assert {verdict.verdict for verdict in verify([f"\\boxed{{{text}}}" for text in written], [gold] * 4)} == {
        "correct"
    }
    off = f"\\boxed{{\\frac{{{top + 1}}}{{{bottom}}}}}"
    assert verify([off], [gold])[0].verdict == "incorrect"


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(st.integers(-50, 50), min_size=2, max_size=6, unique=True))
def test_order_matters_in_tuples_alone(items: list[int]) -> None:
    shuffled = items[1:] + items[:1]
    joined = [", ".join(map(str, order)) for order in (items, shuffled)]
    for opening, closing, verdict in (("(", ")", "incorrect"), (r"\{", r"\}", "correct"), ("", "", "correct")):
        gold, answer = (f"{opening}{text}{closing}" for text in joined)
        assert verify([f"\\boxed{{{answer}}}"], [gold])[0].verdict == verdict


@settings(max_examples=500, deadline=None, derandomize=True)
@given(st.text(max_size=80), st.sampled_from([gold for gold, _, verdict in PAIRS if verdict != "ungradable"]))
def test_any_text_gets_a_verdict(text: str, gold: str) -> None:
    bare, boxed = verify([text, f"\\boxed{{{text}}}"], [gold, gold])
    assert {bare.verdict, boxed.verdict} <= {"correct", "incorrect"}
    assert bare.reason
    assert boxed.reason
    if "box" not in text:
        assert bare.reason == "no answer"
