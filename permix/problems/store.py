"""A curated set of problems on disk: `train.parquet`, `eval.parquet` and `rejects.parquet` beside the manifest."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

from permix.curation.rejects import Curation
from permix.curation.store import publish, read_rows, reject_table, to_table
from permix.problems.schema import Problem, Split
from permix.reference import Reference

COLUMNS = {field.name: "string" for field in fields(Problem)}


def save_problems(curation: Curation[Problem], folder: Path, **facts: Any) -> Reference:
    """Write the set into `folder/<digest12>`; its manifest holds the counts and the given facts."""
    tables = {split: to_table(map(vars, curation.of_split(split)), COLUMNS) for split in ("train", "eval")}
    tables["rejects"] = reject_table(curation.rejects)
    return publish(folder, tables, counts=curation.counts(), **facts)


def load_problems(directory: Path, split: Split) -> list[Problem]:
    """The kept problems of one split, in the order of the sources. Raises FileNotFoundError naming the file."""
    return [Problem(**row) for row in read_rows(Path(directory) / f"{split}.parquet")]
