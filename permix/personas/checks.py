r"""What a persona must not say: instructions that decide the answer or its form, real people, protected groups.

A persona may change how a model speaks. One that says "always answer 42" or "never use \boxed" changes what a verifier
sees, and one that stands for a real person or a protected group is not this project's to play. The lists are data
beside this file: `instructions.jsonl` (patterns, each with what it catches and what it lets pass) and
`exclusions.jsonl` (terms, each with why). They find wordings, not meanings: a person reads what they let through.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

INSTRUCTIONS = Path(__file__).with_name("instructions.jsonl")
EXCLUSIONS = Path(__file__).with_name("exclusions.jsonl")

REASONS = ("ignores instructions", "answer leak", "answer format", "excluded")
"""Reasons that a person may overrule by name, in `personas.accept` of the profile."""

# "Black" in "a Black poet", not in "a black belt": such a word counts where one for a person is near.
_PERSON = (
    r"(?=(?:[\s-]+\w+){0,2}?[\s-]+(?:man|men|woman|women|person|people|girl|boy|guy|lady|child|kid|teen(?:ager)?|"
    r"activist|artist|poet|writer|student|teacher|worker|mother|father|parent|family|families|musician|elder)s?\b)"
)
_TYPOGRAPHY = str.maketrans("‘’“”‐‑–", "''\"\"---")


@dataclass(frozen=True)
class Hit:
    """What was found in a persona."""

    reason: str
    """One of REASONS."""
    found: str
    """The words, folded: lower case, without accents."""
    why: str

    def __str__(self) -> str:
        return f"“{self.found}” ({self.why})"


@dataclass(frozen=True)
class Checks:
    """The lists, and the profile's own terms."""

    instructions: tuple[tuple[str, re.Pattern[str], str], ...]
    """Reason, pattern, why."""
    exclusions: tuple[tuple[re.Pattern[str], dict[str, str]], ...]
    """A pattern of many terms, and why for each of them, folded."""

    def find(self, text: str) -> list[Hit]:
        """Everything that the text must not say; letter case, accents, widths and hidden characters do not hide it."""
        folded = _folded(text)
        instructions = [
            Hit(reason, match.group(), why)
            for reason, pattern, why in self.instructions
            for match in pattern.finditer(folded)
        ]
        exclusions = [
            Hit("excluded", match.group(), reasons[_key(match["term"])])
            for pattern, reasons in self.exclusions
            for match in pattern.finditer(folded)
        ]
        return list(dict.fromkeys([*instructions, *exclusions]))


@cache
def load_checks(exclude: tuple[str, ...] = ()) -> Checks:
    """The project's lists and the terms that the profile adds to them (`personas.exclude`)."""
    own = [{"term": term, "group": "the profile", "why": "in personas.exclude"} for term in exclude]
    terms = [*_rows(EXCLUSIONS), *own]
    return Checks(
        instructions=tuple((row["reason"], re.compile(row["pattern"]), row["why"]) for row in _rows(INSTRUCTIONS)),
        exclusions=(
            _terms([row for row in terms if not row.get("of_a_person")]),
            _terms([row for row in terms if row.get("of_a_person")], near=_PERSON),
        ),
    )


def _terms(rows: Sequence[dict[str, Any]], near: str = "") -> tuple[re.Pattern[str], dict[str, str]]:
    reasons = {_key(_folded(row["term"])): f"{row['group']}: {row['why']}" for row in rows}
    # The longest first, so that "martin luther king" is not found as "martin luther".
    found = "|".join(re.escape(term).replace(r"\ ", r"[\s-]") for term in sorted(reasons, key=len, reverse=True))
    return re.compile(rf"(?<!\w)(?P<term>{found})(?:s|'s)?(?!\w){near}"), reasons


def _key(term: str) -> str:
    return re.sub(r"[\s-]", " ", term)


def _folded(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).casefold().translate(_TYPOGRAPHY)
    seen = "".join(letter for letter in plain if unicodedata.category(letter) not in ("Mn", "Cf"))
    return " ".join(seen.split())


def _rows(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
