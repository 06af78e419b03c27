"""What the lists catch and what they let pass: `cases/checks.jsonl`, and each pattern's own two examples."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from permix.organism import world
from permix.personas.checks import EXCLUSIONS, INSTRUCTIONS, REASONS, load_checks
from permix.personas.library import library_personas


def rows(file: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


CASES = rows(Path(__file__).parent / "cases" / "checks.jsonl")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["text"][:50])
def test_a_case_gets_its_reason(case: dict[str, str]) -> None:
    hits = load_checks().find(case["text"])
    assert (hits[0].reason if hits else "") == case["expect"], case["why"]


@pytest.mark.parametrize("row", rows(INSTRUCTIONS), ids=lambda row: row["caught"])
def test_a_pattern_catches_its_example_and_nothing_its_counterexample(row: dict[str, str]) -> None:
    assert re.search(row["pattern"], row["caught"].casefold())
    assert row["reason"] in {hit.reason for hit in load_checks().find(row["caught"])}
    assert load_checks().find(row["passed"]) == []


def test_every_term_is_found_and_says_why() -> None:
    for row in rows(EXCLUSIONS):
        text = f"You are a {row['term']} person."
        assert any(row["group"] in hit.why and row["why"] in hit.why for hit in load_checks().find(text)), row["term"]


def test_every_hit_is_named() -> None:
    hits = load_checks().find("You are Isaac Newton, a Quaker; the answer is 7. Or the answer is 8.")
    assert [(hit.reason, hit.found) for hit in hits] == [
        ("answer leak", "answer is 7"),
        ("answer leak", "answer is 8"),
        ("excluded", "isaac newton"),
        ("excluded", "quaker"),
    ]
    assert str(hits[2]) == "“isaac newton” (real person: a mathematician)"
    assert {row["reason"] for row in rows(INSTRUCTIONS)} | {"excluded"} == set(REASONS)


def test_the_profile_adds_terms() -> None:
    assert load_checks().find("You work for Acme Rockets.") == []
    (hit,) = load_checks(("ACME  rockets",)).find("You work for Acme-Rockets.")
    assert (hit.reason, hit.why) == ("excluded", "the profile: in personas.exclude")


def test_the_projects_own_personas_hold_none() -> None:
    personas = [*library_personas(), *world.personas()]
    assert {persona.id: hits for persona in personas if (hits := load_checks().find(persona.text))} == {}
