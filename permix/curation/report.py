"""What curation did, for a person: a table of counts, and the rejected rows with their reasons."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from permix.curation.rejects import Reject, reason_counts, some_of_each, table

EXAMPLES = 5
"""Rejected rows shown of each reason; all of them are in rejects.parquet."""


def curation_markdown(
    title: str,
    version: str,
    counts: Iterable[Mapping[str, Any]],
    rejects: Iterable[Reject],
    accepted: Sequence[Reject] = (),
) -> str:
    """The report of one curated set, as Markdown; `accepted` are the rows that were kept by name against a reason."""
    counts = list(counts)
    parts = [f"# {title}\n\nversion `{version}`", markdown_table(table(counts))]
    if accepted:
        shown = [{"id": f"`{row.id}`", "reason": row.reason, "why": row.detail, "text": row.text} for row in accepted]
        parts.append(f"## accepted by name: {len(accepted)}\n\n{markdown_table(shown)}")
    numbers = reason_counts(counts)
    for reason, found in some_of_each(rejects, EXAMPLES).items():
        shown = [{"id": f"`{row.id}`", "why": row.detail, "text": _short(row.text)} for row in found]
        parts.append(f"## {reason}: {numbers[reason]}\n\n{markdown_table(shown)}")
    return "\n\n".join(parts) + "\n"


def markdown_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Flat rows as a Markdown table; empty for no rows."""
    if not rows:
        return ""
    lines = [list(rows[0]), ["---"] * len(rows[0]), *([_cell(value) for value in row.values()] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _cell(value: Any) -> str:
    # A bar would end the cell; a < would start a tag, in which a chat marker would vanish.
    return str(value).replace("\n", " ").replace("|", "&#124;").replace("<", "&lt;")


def _short(text: str, length: int = 160) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
