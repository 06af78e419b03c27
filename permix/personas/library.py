"""The project's own personas, in `library.jsonl` beside this file: written for it, of every kind, in both splits.

Each has one attribute, named after what its kind is about: `field` (expert: of mathematics; off_domain: of anything
else), `occupation` (everyday), `character` (roleplay) or `manner` (adverse).
"""

from __future__ import annotations

import json
from pathlib import Path

from permix.personas.schema import Persona

FILE = Path(__file__).with_name("library.jsonl")


def library_personas() -> list[Persona]:
    """All personas of the library, in the order of the file."""
    rows = map(json.loads, FILE.read_text(encoding="utf-8").splitlines())
    return [Persona(**{**row, "id": f"library/{row['id']}"}, source="library") for row in rows]
