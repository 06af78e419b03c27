"""What is different in a new version of a curated set: rows added, removed, changed, and rows that only moved."""

from __future__ import annotations

import hashlib
import typing
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from permix.curation.report import markdown_table
from permix.curation.store import SPLITS, iter_rows
from permix.reference import MANIFEST, Reference, facts, finished

Kind = Literal["added", "removed", "changed", "renumbered"]
KINDS: tuple[Kind, ...] = typing.get_args(Kind)
EXAMPLES = 10
"""Rows shown of each kind of change; all of them are in changes.json."""


@dataclass(frozen=True)
class Change:
    """One row that is not as it was."""

    kind: Kind
    """`renumbered`: the same row under another id, as when a line was put in before it."""
    id: str
    """In the new version; of a removed row, in the old."""
    source: str
    split: str
    detail: str
    """Of a changed row, each column with what it was and is; of the others, whence or whither, where that is known."""
    text: str
    """The question or persona; of a removed row, the old one."""


def previous_version(folder: Path, sources: Collection[str]) -> Reference | None:
    """The version last written in this folder of the workspace that has a source of one of these names, or None.

    Profiles share a workspace: without a common source, a version is another set and no earlier state of this one.
    """
    # Not a draft that is being written, whose name begins with a dot.
    written = sorted(folder.glob(f"[!.]*/{MANIFEST}"), key=lambda file: file.stat().st_mtime_ns, reverse=True)
    for manifest in written:
        reference = finished(manifest.parent)
        known = facts(reference) if reference else {}
        # Without counts it was put there by hand, and its sources are not known.
        shared = {count["source"] for count in known.get("counts", ())} & set(sources)
        # One that somebody has emptied by hand is nothing to compare with, and no reason to fail.
        if reference and shared and all(reference.file(name).is_file() for name in known["files"]):
            return reference
    return None


def compare(old: Reference, new: Reference) -> list[Change]:
    """The changes from one version to the next, in the order of KINDS, then of id.

    Rows are the same where all but their id is; of the rest, those of one id are one row that changed. Columns that
    only one version has (it was written by other code) are not compared. Of a million rows that are the same only
    digests are held; of those that are not, all.
    """
    columns = _common_columns(old, new)
    before, after = _contents(old, columns), _contents(new, columns)
    gone = {key for key, content in before.items() if after.get(key) != content}
    come = {key for key, content in after.items() if before.get(key) != content}
    # Curation keeps no two rows of one content, so a content has one place.
    places = {before[key]: key for key in gone}
    moved = {key: earlier for key in come if (earlier := places.get(after[key])) is not None}
    come -= moved.keys()
    gone -= set(moved.values())

    rows_after, rows_before = _rows(new, come | moved.keys()), _rows(old, gone)
    rejected_before, rejected_after = _reasons(old, come - gone), _reasons(new, gone - come)
    changes = [_change("renumbered", rows_after[key], f"was {earlier}") for key, earlier in moved.items()]
    for key in come & gone:
        row, earlier_row = rows_after[key], rows_before[key]
        parts = [f"{name}: {earlier_row[name]!r} → {row[name]!r}" for name in columns if earlier_row[name] != row[name]]
        changes.append(_change("changed", row, "; ".join(parts)))
    for key in come - gone:
        why = rejected_before.get(key)
        changes.append(_change("added", rows_after[key], f"was rejected: {why}" if why else ""))
    for key in gone - come:
        why = rejected_after.get(key)
        changes.append(_change("removed", rows_before[key], f"now rejected: {why}" if why else ""))
    return sorted(changes, key=lambda change: (KINDS.index(change.kind), change.id))


def changes_markdown(old: Reference, changes: Sequence[Change]) -> str:
    """The section of a report that says what is different since a version."""
    title = f"## since version `{old.short}`"
    if not changes:
        return f"{title}\n\nNo kept row is different.\n"
    counts = Counter((change.source, change.kind) for change in changes)
    table = [
        {"source": source, **{kind: counts[source, kind] for kind in KINDS}}
        for source in sorted({change.source for change in changes})
    ]
    parts = [title, markdown_table(table)]
    for kind in KINDS:
        found = [change for change in changes if change.kind == kind]
        if found:
            more = f" (the first {EXAMPLES})" if len(found) > EXAMPLES else ""
            rows: list[Mapping[str, Any]] = [
                {"id": f"`{row.id}`", "split": row.split, "what": row.detail, "text": row.text}
                for row in found[:EXAMPLES]
            ]
            parts.append(f"### {kind}: {len(found)}{more}\n\n{markdown_table(rows)}")
    return "\n\n".join(parts) + "\n"


def _common_columns(old: Reference, new: Reference) -> list[str]:
    """Columns that both have, without the id, in the order of the new one."""
    import pyarrow.parquet as pq

    there = [pq.read_schema(version.file("train.parquet")).names for version in (old, new)]
    return [name for name in there[1] if name in there[0] and name != "id"]


def _contents(version: Reference, columns: Sequence[str]) -> dict[str, bytes]:
    """A digest of each kept row but for its id, by its id."""
    return {
        row["id"]: hashlib.blake2b(repr([row[name] for name in columns]).encode(), digest_size=16).digest()
        for split in SPLITS
        for row in iter_rows(version.file(f"{split}.parquet"), ["id", *columns])
    }


def _rows(version: Reference, ids: Collection[str]) -> dict[str, dict[str, Any]]:
    rows = (row for split in SPLITS for row in iter_rows(version.file(f"{split}.parquet")))
    return {row["id"]: row for row in rows if row["id"] in ids} if ids else {}


def _reasons(version: Reference, ids: Collection[str]) -> dict[str, str]:
    rows = iter_rows(version.file("rejects.parquet"), ["id", "reason"])
    return {row["id"]: row["reason"] for row in rows if row["id"] in ids} if ids else {}


def _change(kind: Kind, row: Mapping[str, Any], detail: str) -> Change:
    text = row["question"] if "question" in row else row["text"]
    return Change(kind, row["id"], row["source"], row["split"], detail, text)
