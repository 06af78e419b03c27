"""Every gold of MATH500, MATH-4500 and GSM8K against itself, and against one another."""

from __future__ import annotations

import json
import random
import re
from functools import cache
from pathlib import Path

import pytest

from permix.verifier import gold_reason, verify
from permix.verifier.extract import gold_text, last_box

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
CASES = Path(__file__).parent / "cases"

# Golds that do not verify against themselves or their solution's last box. None is left.
EXCEPTIONS: frozenset[str] = frozenset()


def rows(name: str) -> list[dict[str, str]]:
    path = DATA / name
    if not path.is_file():
        pytest.skip(f"no {path}: the data set is not on this machine")
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@cache
def math_golds() -> tuple[tuple[str, str], ...]:
    """Gold, and its solution's last box; MATH-4500 has its golds only there."""
    five = [(row["answer"], last_box(row["solution"])) for row in rows("math/math500.jsonl")]
    rest = [last_box(row["solution"]) for row in rows("math/math_4500.jsonl")]
    pairs = five + [(box, box) for box in rest]
    assert len(pairs) == 5_000
    return tuple((str(gold), str(box)) for gold, box in pairs)


def not_correct(pairs: list[tuple[str, str]]) -> list[str]:
    verdicts = verify([f"Thus $\\boxed{{{answer}}}$." for _, answer in pairs], [gold for gold, _ in pairs])
    return [
        f"{gold} | {answer}: {verdict.reason}"
        for (gold, answer), verdict in zip(pairs, verdicts, strict=True)
        if verdict.verdict != "correct" and gold not in EXCEPTIONS
    ]


def test_every_math_gold_verifies_against_itself_and_its_solution() -> None:
    pairs = list(math_golds())
    assert not_correct([(gold, gold) for gold, _ in pairs] + pairs) == []


def test_every_math_gold_is_really_parsed() -> None:
    """Spelled otherwise, so that it cannot pass as the same text: spaces, other brackets, another fraction."""
    respelled = []
    for gold, _ in math_golds():
        # Not within text, whose spaces may part two words.
        if "text" not in gold and "mbox" not in gold:
            spelling = gold.replace(r"\frac", r"\dfrac ").replace("(", r" \left( ").replace(")", r" \right) ")
            respelled.append((gold, f"\\, {spelling} ."))
    assert len(respelled) > 4_800
    assert not_correct(respelled) == []


def test_every_gsm8k_gold_verifies() -> None:
    problems = rows("gsm8k/gsm8k_test.jsonl")
    golds = [row["answer"] for row in problems]
    assert [gold for gold in golds if gold_reason(gold)] == []
    numbers = [gold_text(gold) for gold in golds]
    for before, after in (("", ""), (r"\$", ".00"), ("", r"\text{ eggs}")):
        verdicts = verify([f"\\boxed{{{before}{number}{after}}}" for number in numbers], golds)
        wrong = [number for number, verdict in zip(numbers, verdicts, strict=True) if verdict.verdict != "correct"]
        assert wrong == [], f"{before}…{after}"


@cache
def same_value() -> frozenset[tuple[str, str]]:
    lines = (CASES / "same_value.jsonl").read_text(encoding="utf-8").splitlines()
    pairs = [(json.loads(line)["one"], json.loads(line)["other"]) for line in lines]
    return frozenset(pairs) | frozenset((other, one) for one, other in pairs)


def false_positives(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    verdicts = verify([f"\\boxed{{{answer}}}" for _, answer in pairs], [gold for gold, _ in pairs])
    return [
        pair
        for pair, verdict in zip(pairs, verdicts, strict=True)
        if verdict.verdict != "incorrect" and pair not in same_value()
    ]


def distinct_golds() -> list[str]:
    return sorted({gold for pair in math_golds() for gold in pair})


def test_no_false_positive_among_mismatched_golds() -> None:
    """6,000 pairs of golds that say different things; most are not integers, and half are of like length."""
    golds = distinct_golds()
    others = [gold for gold in golds if not re.fullmatch(r"-?[0-9]+", gold)]
    by_length = sorted(others, key=lambda gold: (len(gold), gold))
    draw = random.Random(3)
    pairs: set[tuple[str, str]] = set()
    while len(pairs) < 3_000:
        pairs.add((draw.choice(others), draw.choice(golds)))
    while len(pairs) < 6_000:
        at = draw.randrange(len(by_length) - 10)
        pairs.add((by_length[at], by_length[at + draw.randint(1, 9)]))
    mismatched = sorted((gold, answer) for gold, answer in pairs if gold.strip() != answer.strip())
    assert len(mismatched) > 5_900
    assert false_positives(mismatched) == []


def test_different_spellings_of_a_value_are_one() -> None:
    rows_ = [json.loads(line) for line in (CASES / "same_value.jsonl").read_text(encoding="utf-8").splitlines()]
    assert not_correct([(row["one"], row["other"]) for row in rows_]) == []


@pytest.mark.slow
def test_no_false_positive_among_all_pairs_of_golds() -> None:
    """600 golds that are no integers against one another: 360,000 pairs. (Once all 2,479,050 were read: same_value.)"""
    golds = [gold for gold in distinct_golds() if not re.fullmatch(r"-?[0-9]+", gold)]
    pool = random.Random(0).sample(golds, 600)
    for gold in pool:
        assert false_positives([(gold, answer) for answer in pool if answer.strip() != gold.strip()]) == []
