"""Rows of a local JSON-lines file: the wanted columns as text, or what is wrong with the row.

A fault in some rows is theirs: they are set aside. A fault in every row is the file's or the profile's: SourceError.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path


class SourceError(ValueError):
    """A source cannot be used; the message names the file, the row, the column and the fix."""


@dataclass(frozen=True)
class Row:
    """One line of a file, its wanted columns as text."""

    number: int
    """Line number, from 1."""
    values: dict[str, str]
    """Exactly the columns asked for; numbers as they are spelt in the file, null as the empty text."""


@dataclass(frozen=True)
class BadRow:
    """One line that cannot be used."""

    number: int
    """Line number, from 1."""
    reason: str
    """`not JSON`, `missing column` or `not text`."""
    detail: str
    text: str
    """The line as it stands in the file."""


def read_jsonl(path: Path, columns: Sequence[str]) -> Iterator[Row | BadRow]:
    """The rows of a JSON-lines file in order, one at a time; empty lines are skipped.

    Raises SourceError at once if the file is not there, and at its end if no row of it could be used.
    """
    if not path.is_file():
        raise SourceError(
            f"{path}: no such file (looked for {path.resolve()}; paths are relative to the working directory)"
        )
    first: BadRow | None = None
    good = bad = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            row = _parse(line, number, columns)
            if isinstance(row, BadRow):
                first, bad = first or row, bad + 1
            else:
                good += 1
            yield row
    if first and not good:
        rest = f"; none of its {bad} rows can be used" if bad > 1 else ""
        raise SourceError(f"{path}, row {first.number}: {first.detail}{rest}. {_fix(first)}")
    if not good:
        raise SourceError(f"{path}: the file holds no rows")


def _parse(line: bytes, number: int, columns: Sequence[str]) -> Row | BadRow:
    text = line.decode("utf-8", errors="backslashreplace").rstrip("\r\n")
    try:
        # Numbers keep their spelling: 18.0 stays 18.0, and an integer of any length costs nothing.
        record = json.loads(line.decode("utf-8-sig"), parse_int=str, parse_float=str)
    except (ValueError, RecursionError) as error:
        return BadRow(number, "not JSON", f"not a line of JSON in UTF-8: {error}", text)
    if not isinstance(record, dict):
        return BadRow(number, "not JSON", f"a {type(record).__name__}, not an object with columns", text)
    values = {}
    for column in columns:
        if column not in record:
            there = ", ".join(map(str, record)) or "none"
            near = difflib.get_close_matches(column, list(record), n=1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            return BadRow(number, "missing column", f"no column {column!r}{hint}; columns: {there}", text)
        value = record[column]
        if value is not None and not isinstance(value, str):
            return BadRow(number, "not text", f"column {column!r} holds a {type(value).__name__}, not text", text)
        values[column] = value or ""
        if not _is_unicode(values[column]):
            return BadRow(number, "not text", f"column {column!r} holds half of a surrogate pair", text)
    return Row(number, values)


def _is_unicode(text: str) -> bool:
    """JSON can spell a lone surrogate, which no file can hold as UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _fix(row: BadRow) -> str:
    if row.reason == "not JSON":
        return "Expected one JSON object a line."
    return "Name the right column in this source of the profile."
