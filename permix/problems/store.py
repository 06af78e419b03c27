"""A curated set of problems on disk: `train.parquet`, `eval.parquet` and `rejects.parquet` beside the manifest."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any

from permix.curation.draft import Draft, draft
from permix.curation.near import Bands
from permix.curation.rejects import Curation, Reject
from permix.curation.store import SPLITS, read_rows
from permix.problems.near import gold_key, near_copies
from permix.problems.schema import Problem, Split
from permix.reference import Reference

COLUMNS = {field.name: "string" for field in fields(Problem)}
BATCH = 1024
"""Questions sketched at once."""


def save_problems(curation: Curation[Problem], folder: Path, **facts: Any) -> Reference:
    """Write the set into `folder/<digest12>`; its manifest holds the counts and the given facts."""
    with draft(folder, COLUMNS) as written:
        write_problems(written, [*curation.kept, *curation.rejects])
        return written.publish(**facts)


def write_problems(written: Draft, rows: Iterable[Problem | Reject], near_duplicate: float | None = None) -> None:
    """Write rows as they come; then, with a threshold, set aside the near-copies of each split."""
    bands = {split: Bands(near_duplicate) for split in SPLITS} if near_duplicate else {}
    waiting: dict[str, list[Problem]] = {split: [] for split in SPLITS}
    for row in rows:
        if isinstance(row, Reject):
            written.reject(row)
            continue
        written.keep(vars(row))
        if bands:
            waiting[row.split].append(row)
            if len(waiting[row.split]) == BATCH:
                _sketch(bands[row.split], waiting[row.split])
    written.close_kept()
    for split, found in bands.items():
        _sketch(found, waiting[split])
        if near_duplicate:
            written.drop(split, near_copies(written.file(split), found, near_duplicate))


def _sketch(bands: Bands, problems: list[Problem]) -> None:
    bands.add([problem.question for problem in problems], [gold_key(problem.gold) for problem in problems])
    problems.clear()


def load_problems(directory: Path, split: Split) -> list[Problem]:
    """The kept problems of one split, in the order of the sources. Raises FileNotFoundError naming the file."""
    return [Problem(**row) for row in read_rows(Path(directory) / f"{split}.parquet")]
