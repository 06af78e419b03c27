"""Rows of a Hugging Face dataset, by its id: out of the local cache, into which it is downloaded where that is allowed.

The cache holds Arrow files that are mapped, not read: memory stays small however many rows there are. With
HF_HUB_OFFLINE set, or without a network, what was loaded once is found again. No code of a dataset is ever run:
the pinned datasets cannot.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from permix.config.hub import HubDataset
from permix.curation.files import BATCH, FIX, from_record
from permix.curation.rows import BadRow, Row, SourceError, missing_column


def read_hub(source: HubDataset, columns: Sequence[str]) -> Iterator[Row | BadRow]:
    """The rows of a dataset's split in order, their number from 1.

    Raises SourceError if it is neither in the cache nor to be had, or lacks a column, and at its end if no row of it
    could be used.
    """
    dataset = load_hub(source)
    for column in columns:
        if column not in dataset.column_names:
            missing = missing_column(column, dataset.column_names)
            raise SourceError(f"{source.dataset}: {missing}. {FIX['missing column']}")
    first: BadRow | None = None
    number = good = 0
    for batch in dataset.select_columns(list(columns)).with_format("arrow").iter(batch_size=BATCH):
        for record in batch.to_pylist():
            number += 1
            row = from_record(number, record)
            if isinstance(row, BadRow):
                first = first or row
            else:
                good += 1
            yield row
    if first and not good:
        raise SourceError(f"{source.dataset}, row {first.number}: {first.detail}. {FIX[first.reason]}")
    if not good:
        raise SourceError(f"{source.dataset}: its split {source.hub_split!r} holds no rows")


def load_hub(source: HubDataset) -> Any:
    """The dataset's split, mapped from the cache. Raises SourceError where it cannot be had, with the way to get it."""
    from datasets import load_dataset

    try:
        return load_dataset(source.dataset, source.subset, split=source.hub_split, revision=source.revision)
    except (OSError, ValueError) as error:
        get = f"hf download --repo-type dataset {source.dataset}, or load it once with HF_HUB_OFFLINE unset"
        raise SourceError(
            f"{source.dataset} (subset {source.subset or 'default'}, split {source.hub_split}): {error}\n"
            f"It must be in the cache (HF_HOME, HF_DATASETS_CACHE) or to be downloaded: {get}."
        ) from error


def hub_fingerprint(source: HubDataset) -> str:
    """What tells one version of a dataset from another: part of the key of a stage that reads it."""
    dataset = load_hub(source)
    checksums = {file: found.get("checksum") for file, found in (dataset.info.download_checksums or {}).items()}
    return json.dumps(
        [dataset._fingerprint, str(dataset.info.version), dataset.num_rows, sorted(checksums.items(), key=str)]
    )
