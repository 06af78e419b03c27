"""A curated set of personas on disk: `train.parquet`, `eval.parquet` and `rejects.parquet` beside the manifest."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal

from permix.curation.draft import Draft, draft
from permix.curation.rejects import Curation
from permix.curation.store import read_rows
from permix.personas.schema import Persona
from permix.reference import Reference

# Attributes differ from source to source: JSON in a text column, which every reader of Parquet understands.
COLUMNS = {field.name: "string" for field in fields(Persona)}


def save_personas(curation: Curation[Persona], folder: Path, **facts: Any) -> Reference:
    """Write the set into `folder/<digest12>`; its manifest holds the counts and the given facts."""
    with draft(folder, COLUMNS) as written:
        write_personas(written, curation)
        return written.publish(**facts)


def write_personas(written: Draft, curation: Curation[Persona]) -> None:
    """Write the kept and the rejected."""
    for persona in curation.kept:
        written.keep(_as_row(persona))
    for reject in curation.rejects:
        written.reject(reject)


def load_personas(directory: Path, split: Literal["train", "eval"]) -> list[Persona]:
    """The kept personas of one split, in the order of the sources. Raises FileNotFoundError naming the file."""
    rows = read_rows(Path(directory) / f"{split}.parquet")
    return [Persona(**{**row, "attributes": json.loads(row["attributes"])}) for row in rows]


def _as_row(persona: Persona) -> dict[str, Any]:
    return {**vars(persona), "attributes": json.dumps(persona.attributes, sort_keys=True, ensure_ascii=False)}
