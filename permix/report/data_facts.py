"""What there is to show of a curated set, read from its files a few rows at a time."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from permix.curation.rejects import Reject, reason_counts, some_of_each
from permix.curation.store import SPLITS, iter_rejects, iter_rows
from permix.reference import Reference, facts

BINS = 24
EXAMPLES = 4
"""Rejected rows shown of each reason."""
OVERLAPS = 25
"""Held-out rows shown of those that something overlaps with."""
GROUPS = 30
"""Subjects or levels shown."""


@dataclass(frozen=True)
class Bin:
    """A column of a histogram."""

    low: int
    high: int
    """Inclusive."""
    shares: Mapping[str, float]
    """By split: the rows in it, over those of the fullest bin of that split."""
    counts: Mapping[str, int]


@dataclass(frozen=True)
class Group:
    """Rows with one value of a column."""

    value: str
    counts: Mapping[str, int]
    """By split."""
    shares: Mapping[str, float]
    """By split: the rows in it, over those of the largest group of any split."""


@dataclass(frozen=True)
class Overlap:
    """A held-out row, and what was rejected for being like it."""

    id: str
    text: str
    rejected: int
    worst: Reject
    """The rejected row that shares most with it."""


@dataclass(frozen=True)
class SetFacts:
    """One curated set."""

    name: str
    """`problems` or `personas`."""
    digest: str
    counts: Sequence[Mapping[str, Any]]
    """As Tally.counts."""
    reasons: Mapping[str, int]
    kept: Mapping[str, int]
    """By split."""
    groups: Mapping[str, Sequence[Group]]
    """Kept rows by a column (`subject`, `level`, `kind`) that has values."""
    lengths: Sequence[Bin]
    """Of questions or personas, in words."""
    overlaps: Sequence[Overlap]
    overlapped: int
    """Held-out rows that something overlaps with, shown or not."""
    examples: Mapping[str, Sequence[Reject]]
    accepted: Sequence[Mapping[str, Any]]
    since: Mapping[str, str]
    """`version` and `markdown`: what is different from the version before; empty for a first one."""
    manifest: Mapping[str, Any]


def read_set(name: str, reference: Reference) -> SetFacts:
    """Of `problems` or `personas`. Raises FileNotFoundError where a file of the set is gone."""
    manifest = facts(reference)
    text, grouped = ("question", ("subject", "level")) if name == "problems" else ("text", ("kind",))
    kept: Counter[str] = Counter()
    groups: dict[str, dict[str, Counter[str]]] = {column: {} for column in grouped}
    # An array of machine integers: a million lengths take 4 MB.
    lengths = {split: array("I") for split in SPLITS}
    for split in SPLITS:
        for row in iter_rows(reference.file(f"{split}.parquet"), [text, *grouped]):
            kept[split] += 1
            lengths[split].append(len(row[text].split()))
            for column in grouped:
                groups[column].setdefault(row[column] or "not given", Counter())[split] += 1
    overlaps = _overlaps(reference, text)
    return SetFacts(
        name=name,
        digest=reference.digest,
        counts=manifest["counts"],
        reasons=dict(sorted(reason_counts(manifest["counts"]).items(), key=lambda item: -item[1])),
        kept=kept,
        groups={column: _largest(found) for column, found in groups.items() if set(found) - {"not given"}},
        lengths=_bins(lengths),
        overlaps=overlaps[:OVERLAPS],
        overlapped=len(overlaps),
        examples=some_of_each(iter_rejects(Path(reference.path)), EXAMPLES),
        accepted=manifest.get("accepted", ()),
        since=manifest.get("since", {}),
        manifest=manifest,
    )


def _largest(found: Mapping[str, Counter[str]]) -> list[Group]:
    """The largest groups in order of name, the others as one."""
    order = sorted(found, key=lambda value: (-found[value].total(), value))
    shown = {value: found[value] for value in sorted(order[:GROUPS])}
    if rest := order[GROUPS:]:
        shown[f"{len(rest)} others"] = sum((found[value] for value in rest), Counter())
    peak = max(number for counts in shown.values() for number in counts.values())
    return [
        Group(
            value,
            {split: counts[split] for split in SPLITS},
            {split: counts[split] / peak for split in SPLITS},
        )
        for value, counts in shown.items()
    ]


def _bins(lengths: Mapping[str, array[int]]) -> list[Bin]:
    """Columns of one width up to the length that 99 % stay below; the last holds what is longer too."""
    every = np.concatenate([np.asarray(found, dtype=np.int64) for found in lengths.values()])
    if not len(every):
        return []
    top = max(int(np.quantile(every, 0.99)), 1)
    width = -(-top // BINS)
    edges = np.arange(0, top + width, width)
    counts = {split: np.histogram(np.minimum(found, edges[-1] - 1), edges)[0] for split, found in lengths.items()}
    highest = {split: max(int(found.max(initial=0)), 1) for split, found in counts.items()}
    longest = int(every.max())
    return [
        Bin(
            int(edges[place]),
            longest if place == len(edges) - 2 else int(edges[place + 1]) - 1,
            {split: int(found[place]) / highest[split] for split, found in counts.items()},
            {split: int(found[place]) for split, found in counts.items()},
        )
        for place in range(len(edges) - 1)
    ]


def _overlaps(reference: Reference, text: str) -> list[Overlap]:
    """Held-out rows that training rows were rejected for, those with the nearest first."""
    number: Counter[str] = Counter()
    worst: dict[str, Reject] = {}
    for reject in iter_rejects(Path(reference.path)):
        if reject.reason in ("contaminated", "near an eval persona"):
            number[reject.other] += 1
            if reject.other not in worst or reject.share > worst[reject.other].share:
                worst[reject.other] = reject
    texts = {
        row["id"]: row[text] for row in iter_rows(reference.file("eval.parquet"), ["id", text]) if row["id"] in worst
    }
    found = [Overlap(id_, texts.get(id_, ""), number[id_], worst[id_]) for id_ in worst]
    return sorted(found, key=lambda overlap: (-overlap.worst.share, -overlap.rejected, overlap.id))
