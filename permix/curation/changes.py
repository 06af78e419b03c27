"""What is different in a new version of a curated set: rows added, removed, changed, and rows that only moved."""

from __future__ import annotations

import typing
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from permix.curation.report import markdown_table
from permix.curation.store import read_rows
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
    only one version has (it was written by other code) are not compared.
    """
    before, after = _kept(old), _kept(new)
    columns = [name for name in next(iter(after.values()), {}) if name in next(iter(before.values()), {})]

    def content(row: Mapping[str, Any]) -> tuple[Any, ...]:
        return tuple(row[name] for name in columns if name != "id")

    gone = {key: row for key, row in before.items() if key not in after or content(after[key]) != content(row)}
    come = {key: row for key, row in after.items() if key not in before or content(before[key]) != content(row)}

    changes: list[Change] = []
    # Curation keeps no two rows of one content, so a content has one place.
    places = {content(row): key for key, row in gone.items()}
    for key, row in list(come.items()):
        if (earlier := places.pop(content(row), None)) is not None:
            changes.append(_change("renumbered", row, f"was {earlier}"))
            del come[key], gone[earlier]

    for key in come.keys() & gone.keys():
        row, earlier_row = come.pop(key), gone.pop(key)
        parts = [f"{name}: {earlier_row[name]!r} → {row[name]!r}" for name in columns if earlier_row[name] != row[name]]
        changes.append(_change("changed", row, "; ".join(parts)))

    rejected_before, rejected_after = _reasons(old), _reasons(new)
    for key, row in come.items():
        changes.append(_change("added", row, f"was rejected: {why}" if (why := rejected_before.get(key)) else ""))
    for key, row in gone.items():
        changes.append(_change("removed", row, f"now rejected: {why}" if (why := rejected_after.get(key)) else ""))
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


def _kept(version: Reference) -> dict[str, dict[str, Any]]:
    rows = [row for split in ("train", "eval") for row in read_rows(version.file(f"{split}.parquet"))]
    return {row["id"]: row for row in rows}


def _reasons(version: Reference) -> dict[str, str]:
    return {row["id"]: row["reason"] for row in read_rows(version.file("rejects.parquet"))}


def _change(kind: Kind, row: Mapping[str, Any], detail: str) -> Change:
    text = row["question"] if "question" in row else row["text"]
    return Change(kind, row["id"], row["source"], row["split"], detail, text)
