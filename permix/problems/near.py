"""Near-copies among the problems of one split: the same question but for a few words, with the same answer."""

from __future__ import annotations

from pathlib import Path

from permix.curation.near import Bands
from permix.curation.rejects import Reject
from permix.curation.store import iter_rows
from permix.curation.text import jaccard, shingles
from permix.problems.golds import same_gold


def near_copies(file: Path, bands: Bands, threshold: float) -> dict[int, Reject]:
    """The rejections of a split's near-copies, by place in its Parquet file; `bands` are of its questions, in order.

    Two questions are near when they share `threshold` of their three-word runs (Jaccard; signs count as words). One
    with another answer is another problem, with other numbers or another thing asked, and stays. The first stays.
    """
    pairs = list(bands.candidates())
    wanted = {place for pair in pairs for place in pair}
    columns = ("id", "question", "gold", "source", "split")
    rows = {place: row for place, row in enumerate(iter_rows(file, columns)) if place in wanted}
    rejects: dict[int, Reject] = {}
    for later, earlier in pairs:
        if later in rejects or earlier in rejects:
            continue
        row, other = rows[later], rows[earlier]
        share = jaccard(shingles(row["question"]), shingles(other["question"]))
        if share >= threshold and same_gold(row["gold"], other["gold"]):
            detail = f"shares {share:.0%} of its three-word runs with {other['id']}, and the answer {other['gold']!r}"
            rejects[later] = Reject(
                row["id"], row["source"], row["split"], "near duplicate", detail, row["question"], other["id"], share
            )
    return rejects
