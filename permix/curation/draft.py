"""A curated set while it is being written: a row at a time, so that no more than a few thousand rows are held.

Kept rows go into `train.parquet` and `eval.parquet`, the others into `rejects.parquet`. Nothing stands in the folder
under its digest before all of it is there.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from permix.curation.rejects import Reject, Tally
from permix.curation.store import SPLITS, to_table
from permix.reference import MANIFEST, Reference, finish

if TYPE_CHECKING:
    import pyarrow as pa

GROUP = 10_000
"""Rows held before they are written, as one row group."""
REJECT_COLUMNS = {field.name: "double" if field.name == "share" else "string" for field in fields(Reject)}


@contextmanager
def draft(folder: Path, columns: Mapping[str, str]) -> Iterator[Draft]:
    """A set to be written into `folder/<digest12>`; what has not been published at the end is removed.

    `columns` are those of kept rows, with types by Arrow's names (`string`, `double`).
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".draft-") as directory:
        draft = Draft(folder, Path(directory), columns)
        try:
            yield draft
        finally:
            draft.close()


class Draft:
    """A set that is being written; made by `draft`."""

    def __init__(self, folder: Path, directory: Path, columns: Mapping[str, str]) -> None:
        self.directory = directory
        self.tally = Tally()
        self._folder = folder
        self._columns = columns
        self._writers = {name: _Writer(self.file(name), columns) for name in SPLITS}
        self._writers["rejects"] = _Writer(self.file("rejects"), REJECT_COLUMNS)

    def file(self, name: str) -> Path:
        """The Parquet file of `train`, `eval` or `rejects`; whole only after close."""
        return self.directory / f"{name}.parquet"

    def keep(self, row: Mapping[str, Any]) -> None:
        """Write a row, which has a `source` and a `split`, into the file of its split."""
        self._writers[row["split"]].add(row)
        self.tally.kept[row["source"], row["split"]] += 1

    def reject(self, reject: Reject) -> None:
        """Write a rejected row."""
        self._writers["rejects"].add(vars(reject))
        self.tally.rejected[reject.source, reject.split, reject.reason] += 1

    def drop(self, split: str, rejects: Mapping[int, Reject]) -> None:
        """Turn kept rows, by their places in the file of a split, into rejected ones; after close_kept."""
        import pyarrow.parquet as pq

        if not rejects:
            return
        whole = self.file(split).rename(self.directory / f".{split}")
        self._writers[split] = writer = _Writer(self.file(split), self._columns)
        start = 0
        with pq.ParquetFile(whole) as file:
            for group in range(file.num_row_groups):
                table = file.read_row_group(group)
                writer.write(table.filter([start + row not in rejects for row in range(len(table))]))
                start += len(table)
        whole.unlink()
        writer.close()
        for _, reject in sorted(rejects.items()):
            self.tally.kept[reject.source, split] -= 1
            self.reject(reject)

    def close_kept(self) -> None:
        """Write out the kept rows that are still held, so that their files can be read; no row is kept after this."""
        for split in SPLITS:
            self._writers[split].close()

    def close(self) -> None:
        """Write out what is still held; nothing can be added after this."""
        for writer in self._writers.values():
            writer.close()

    def publish(self, **facts: Any) -> Reference:
        """Move the set to its place; the manifest holds its counts and the facts, which are no part of its digest.

        The same rows give the same bytes, hence the same directory, on any machine with the pinned pyarrow.
        """
        self.close()
        reference = finish(self.directory, counts=self.tally.counts(), **facts)
        home = self._folder / reference.short
        home.mkdir(exist_ok=True)
        # The manifest last: it marks the directory as complete.
        for name in (*(f"{name}.parquet" for name in self._writers), MANIFEST):
            (self.directory / name).replace(home / name)
        return Reference(str(home.resolve()), reference.digest)


class _Writer:
    """One Parquet file, written by row groups."""

    def __init__(self, path: Path, columns: Mapping[str, str]) -> None:
        import pyarrow.parquet as pq

        self._columns = columns
        self._rows: list[Mapping[str, Any]] = []
        # Without pandas or Arrow metadata, and in one thread's order: nothing of this machine is in the file.
        self._file = pq.ParquetWriter(path, to_table([], columns).schema, compression="zstd", store_schema=False)

    def add(self, row: Mapping[str, Any]) -> None:
        self._rows.append(row)
        if len(self._rows) == GROUP:
            self._flush()

    def write(self, table: pa.Table) -> None:
        self._file.write_table(table)

    def close(self) -> None:
        if self._file.is_open:
            self._flush()
            self._file.close()

    def _flush(self) -> None:
        if self._rows:
            self.write(to_table(self._rows, self._columns))
            self._rows = []
