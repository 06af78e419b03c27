"""Near-copies among the problems of one split: the same question but for a few words, with the same answer."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np

from permix.curation.near import Bands
from permix.curation.rejects import Reject
from permix.curation.store import iter_rows
from permix.curation.text import jaccard, shingles


def gold_key(gold: str) -> str:
    """The same for golds that are written alike, or are the same number; other golds of one value may differ."""
    try:
        return str(Fraction(gold.strip()))
    except (ValueError, ZeroDivisionError):
        return "".join(gold.split())


def near_copies(file: Path, bands: Bands, threshold: float) -> dict[int, Reject]:
    """The rejections of a split's near-copies, by place in its Parquet file.

    `bands` are of its questions in order, with the keys of their golds. Two questions are near when they share
    `threshold` of their three-word runs (Jaccard; signs count as words). One with another answer is another problem,
    with other numbers or another thing asked, and stays. Of near ones the first stays.
    """
    pairs = bands.candidates()
    wanted = set(np.unique(pairs).tolist())
    columns = ("id", "question", "gold", "source", "split")
    rows = {place: row for place, row in enumerate(iter_rows(file, columns)) if place in wanted}
    rejects: dict[int, Reject] = {}
    for pair in pairs:
        later, earlier = pair.tolist()
        if later in rejects or earlier in rejects:
            continue
        row, other = rows[later], rows[earlier]
        share = jaccard(shingles(row["question"]), shingles(other["question"]))
        if share >= threshold:
            detail = f"shares {share:.0%} of its three-word runs with {other['id']}, and the answer {other['gold']!r}"
            rejects[later] = Reject(
                row["id"], row["source"], row["split"], "near duplicate", detail, row["question"], other["id"], share
            )
    return rejects
