"""A row of a source: the wanted columns as text, or what is wrong with it.

A fault in some rows is theirs: they are set aside. A fault in every row is the file's or the profile's: SourceError.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass


class SourceError(ValueError):
    """A source cannot be used; the message names the file, the row, the column and the fix."""


@dataclass(frozen=True)
class Row:
    """One row of a file, its wanted columns as text."""

    number: int
    """From 1: the line that it begins on, so that an editor finds it; in Parquet, which has no lines, the row."""
    values: dict[str, str]
    """Exactly the columns asked for; numbers as they are spelt in the file, null as the empty text."""


@dataclass(frozen=True)
class BadRow:
    """One row that cannot be used."""

    number: int
    """As in Row."""
    reason: str
    """`not JSON`, `not CSV`, `missing column` or `not text`."""
    detail: str
    text: str
    """The row as it stands in the file; as JSON where it has no text of its own (Parquet)."""


def missing_column(column: str, there: Iterable[str]) -> str:
    """That a column is not there, and which it might be."""
    known = list(there)
    near = difflib.get_close_matches(column, known, n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    return f"no column {column!r}{hint}; columns: {', '.join(known) or 'none'}"
