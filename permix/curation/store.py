"""Curated sets on disk: `train.parquet`, `eval.parquet` and `rejects.parquet` beside the manifest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from permix.curation.rejects import Reject

if TYPE_CHECKING:
    import pyarrow as pa

SPLITS = ("train", "eval")


def to_table(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str]) -> pa.Table:
    """A table with exactly these columns, in this order; column types by Arrow's names (`string`, `double`)."""
    import pyarrow as pa

    schema = pa.schema([(name, pa.type_for_alias(kind)) for name, kind in columns.items()])
    # A third of the time of Table.from_pylist.
    arrays = [pa.array([row[field.name] for row in rows], type=field.type) for field in schema]
    return pa.Table.from_arrays(arrays, schema=schema)


def load_rejects(directory: Path) -> list[Reject]:
    """What was set aside from a curated set. Raises FileNotFoundError naming the file."""
    return list(iter_rejects(directory))


def iter_rejects(directory: Path) -> Iterator[Reject]:
    """As load_rejects, a few at a time."""
    return (Reject(**row) for row in iter_rows(Path(directory) / "rejects.parquet"))


def read_rows(file: Path) -> list[dict[str, Any]]:
    """The rows of a Parquet file. Raises FileNotFoundError naming it."""
    return list(iter_rows(file))


def iter_rows(file: Path, columns: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
    """The rows of a Parquet file, a few at a time; some columns of them. Raises FileNotFoundError naming it."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(file) as parquet:
        for batch in parquet.iter_batches(batch_size=1024, columns=None if columns is None else list(columns)):
            yield from batch.to_pylist()
