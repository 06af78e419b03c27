"""Rows of a local file, a few at a time: `.jsonl`, `.csv`, `.parquet` or, for a list without columns, `.txt`.

The end of the name says which format it is. No more than a batch of rows is held, however long the file.
"""

from __future__ import annotations

import csv
import dataclasses
import json
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from permix.curation.rows import BadRow, Row, SourceError, missing_column

BATCH = 1024
"""Rows of a Parquet file decoded at once."""
BUFFER = 1 << 20
"""Bytes of a column of a Parquet file read ahead."""

FIX = {
    "not JSON": "Expected one JSON object a line.",
    "not CSV": "Expected a header line, and in every row as many fields, separated by commas.",
    "missing column": "Name the right column in this source of the profile.",
    "not text": "Name the right column in this source of the profile; the file must be in UTF-8.",
}


def read_file(path: Path, columns: Sequence[str]) -> Iterator[Row | BadRow]:
    """The rows of a file in order; empty lines are skipped. A `.txt` file is one column, under whatever name.

    Raises SourceError at once if the file is not there, is not what its name says, or lacks a column as a whole, and
    at its end if no row of it could be used.
    """
    read = {".jsonl": _jsonl, ".csv": _csv, ".parquet": _parquet, ".txt": _lines}.get(path.suffix)
    if read is None:
        raise SourceError(f"{path}: the name must end in .jsonl, .csv, .parquet or .txt, which tells the format")
    if not path.is_file():
        raise SourceError(
            f"{path}: no such file (looked for {path.resolve()}; paths are relative to the working directory)"
        )
    first: BadRow | None = None
    good = bad = 0
    for row in read(path, columns):
        if isinstance(row, BadRow):
            first, bad = first or row, bad + 1
        else:
            good += 1
        yield row
    if first and not good:
        rest = f"; none of its {bad} rows can be used" if bad > 1 else ""
        raise SourceError(f"{path}, row {first.number}: {first.detail}{rest}. {FIX[first.reason]}")
    if not good:
        raise SourceError(f"{path}: the file holds no rows")


def _jsonl(path: Path, columns: Sequence[str]) -> Iterator[Row | BadRow]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            text = line.decode("utf-8", errors="backslashreplace").rstrip("\r\n")
            try:
                # Numbers keep their spelling: 18.0 stays 18.0, and an integer of any length costs nothing.
                record = json.loads(line.decode("utf-8-sig"), parse_int=str, parse_float=str)
            except (ValueError, RecursionError) as error:
                yield BadRow(number, "not JSON", f"not a line of JSON in UTF-8: {error}", text)
                continue
            if not isinstance(record, dict):
                kind = type(record).__name__
                yield BadRow(number, "not JSON", f"a {kind}, not an object with columns", text)
                continue
            missing = next((column for column in columns if column not in record), None)
            if missing is not None:
                yield BadRow(number, "missing column", missing_column(missing, record), text)
            else:
                yield _as_row(number, {column: record[column] for column in columns}, text)


def _csv(path: Path, columns: Sequence[str]) -> Iterator[Row | BadRow]:
    taken: list[str] = []

    def lines() -> Iterator[str]:
        for line in file:
            taken.append(line)
            yield line

    # What is not UTF-8 becomes lone surrogates, which only the rows that hold them are then rejected for.
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        records = csv.reader(lines(), strict=True)
        header: list[str] = []
        while True:
            taken.clear()
            number = records.line_num + 1
            try:
                fields = next(records)
            except StopIteration:
                return
            except csv.Error as error:
                if not header:
                    raise SourceError(f"{path}, row {number}: not CSV: {error}. {FIX['not CSV']}") from error
                last = f" (to line {records.line_num})" if records.line_num > number else ""
                yield BadRow(number, "not CSV", f"{error}{last}", _legible("".join(taken)))
                continue
            if not "".join(fields).strip():
                continue
            if not header:
                header = [_legible(name) for name in fields]
                _check_header(path, header, columns)
            elif len(fields) != len(header):
                detail = f"its number of fields is {len(fields)}, that of the header {len(header)}"
                yield BadRow(number, "not CSV", detail, _legible("".join(taken)))
            else:
                record = dict(zip(header, fields, strict=True))
                yield _as_row(number, {column: record[column] for column in columns}, _legible("".join(taken)))


def _parquet(path: Path, columns: Sequence[str]) -> Iterator[Row | BadRow]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        # As set by default, a row group would be held whole, and many files are a single one.
        with pq.ParquetFile(path, buffer_size=BUFFER, pre_buffer=False) as file:
            _check_header(path, file.schema_arrow.names, columns)
            texts = all(pa.types.is_string(file.schema_arrow.field(name).type) for name in columns)
            for batch in file.iter_batches(batch_size=BATCH, columns=list(columns)):
                read = [batch.column(name).to_pylist() for name in columns]
                for record in zip(*read, strict=True):
                    number += 1
                    # What Arrow calls text is text, and UTF-8: nothing can be wrong with it.
                    if texts:
                        yield Row(number, {name: value or "" for name, value in zip(columns, record, strict=True)})
                    else:
                        yield from_record(number, dict(zip(columns, record, strict=True)))
    except (pa.ArrowException, OSError) as error:
        raise SourceError(f"{path}, after row {number}: cannot be read as Parquet: {error}") from error


def _lines(path: Path, columns: Sequence[str]) -> Iterator[Row | BadRow]:
    if len(columns) != 1:
        raise SourceError(f"{path}: a .txt file has no columns, but these are asked for: {', '.join(columns)}")
    with path.open(encoding="utf-8-sig", errors="surrogateescape") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield _as_row(number, {columns[0]: line.strip()}, _legible(line))


def _check_header(path: Path, names: Sequence[str], columns: Sequence[str]) -> None:
    for column in columns:
        if names.count(column) > 1:
            raise SourceError(f"{path}: more than one column is called {column!r}. Rename all but one.")
        if column not in names:
            raise SourceError(f"{path}: {missing_column(column, names)}. {FIX['missing column']}")


def _as_row(number: int, values: dict[str, Any], text: str) -> Row | BadRow:
    """Values by column as a row; a bad one where one of them is no text. `text` is the row as a person would see it."""
    for column, value in values.items():
        if value is not None and not isinstance(value, str):
            return BadRow(number, "not text", f"column {column!r} holds a {type(value).__name__}, not text", text)
        if value and not _is_unicode(value):
            detail = f"column {column!r} holds half of a surrogate pair, or is not UTF-8"
            return BadRow(number, "not text", detail, _legible(text))
    return Row(number, {column: value or "" for column, value in values.items()})


def from_record(number: int, record: dict[str, Any]) -> Row | BadRow:
    """A row of values as Arrow gives them; a bad one is shown as JSON."""
    row = _as_row(number, {name: _spelt(value) for name, value in record.items()}, "")
    if isinstance(row, BadRow):
        return dataclasses.replace(row, text=json.dumps(record, ensure_ascii=False, default=str))
    return row


def _spelt(value: Any) -> Any:
    """Numbers as text, as they come from the other formats; anything else as it is."""
    # A bool is an int to Python, and no number to anybody else.
    return str(value) if isinstance(value, int | float | Decimal) and not isinstance(value, bool) else value


def _is_unicode(text: str) -> bool:
    """JSON can spell a lone surrogate, which no file can hold as UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _legible(text: str) -> str:
    """The text with an escape (`\\xff`) for every byte that was not UTF-8, so that it can be written again."""
    return text.rstrip("\r\n").encode(errors="surrogateescape").decode(errors="backslashreplace")
