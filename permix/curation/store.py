"""Curated rows as Parquet, in a directory named by the digest of what is in it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from permix.curation.rejects import Reject
from permix.reference import MANIFEST, Reference, finish

if TYPE_CHECKING:
    import pyarrow as pa


def publish(folder: Path, tables: Mapping[str, pa.Table], **facts: Any) -> Reference:
    """Write each table as `<name>.parquet`, and the facts into the manifest, in `folder/<digest12>`.

    The same rows give the same bytes, hence the same directory, on any machine with the pinned pyarrow. The facts are
    no part of the digest.
    """
    import pyarrow.parquet as pq

    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".draft-") as draft:
        for name, table in tables.items():
            # Without pandas or Arrow metadata, and in one thread's order: nothing of this machine is in the file.
            pq.write_table(table, Path(draft) / f"{name}.parquet", compression="zstd", store_schema=False)
        reference = finish(Path(draft), **facts)
        home = folder / reference.short
        home.mkdir(exist_ok=True)
        # The manifest last: it marks the directory as complete.
        for file in (*(f"{name}.parquet" for name in tables), MANIFEST):
            (Path(draft) / file).replace(home / file)
    return Reference(str(home.resolve()), reference.digest)


def to_table(rows: Iterable[Mapping[str, Any]], columns: Mapping[str, str]) -> pa.Table:
    """A table with exactly these columns, in this order; column types by Arrow's names (`string`, `double`)."""
    import pyarrow as pa

    schema = pa.schema([(name, pa.type_for_alias(kind)) for name, kind in columns.items()])
    return pa.Table.from_pylist(list(rows), schema=schema)


def reject_table(rejects: Iterable[Reject]) -> pa.Table:
    """Rejected rows as a table."""
    columns = {field.name: "double" if field.name == "share" else "string" for field in fields(Reject)}
    return to_table(map(vars, rejects), columns)


def load_rejects(directory: Path) -> list[Reject]:
    """What was set aside from a curated set. Raises FileNotFoundError naming the file."""
    return [Reject(**row) for row in read_rows(Path(directory) / "rejects.parquet")]


def read_rows(file: Path) -> list[dict[str, Any]]:
    """The rows of a Parquet file. Raises FileNotFoundError naming it."""
    import pyarrow.parquet as pq

    rows: list[dict[str, Any]] = pq.read_table(file).to_pylist()
    return rows
