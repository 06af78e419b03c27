"""Other wordings of the neutral prompt, in `paraphrases.jsonl` beside this file: written for this project.

They say what the neutral prompt says, and give no identity, so what differs between them is wording alone.
"""

from __future__ import annotations

import json
from pathlib import Path

from permix.personas.schema import Persona

FILE = Path(__file__).with_name("paraphrases.jsonl")


def paraphrases(count: int) -> tuple[Persona, ...]:
    """The first of them, in the order of the file; raises ValueError where there are not so many."""
    rows = [json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines()]
    if count > len(rows):
        raise ValueError(f"evaluation.paraphrases asks for {count} wordings and there are {len(rows)}")
    return tuple(
        Persona(id=f"paraphrase/{row['id']}", text=row["text"], kind="neutral", split="eval", source="permix")
        for row in rows[:count]
    )
