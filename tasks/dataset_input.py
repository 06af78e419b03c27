"""A curated set as a dataset input of an MLflow run: so a model version leads back to its rows."""

from __future__ import annotations

import warnings

import mlflow
import pyarrow.parquet as pq
from mlflow.data.dataset_source_registry import resolve_dataset_source
from mlflow.data.meta_dataset import MetaDataset
from mlflow.types import ColSpec, Schema

from permix.reference import Reference


def log_dataset(name: str, reference: Reference, file: str, context: str) -> None:
    """Log one Parquet file of a set into the active MLflow run: name, place, columns, rows, and the set's digest.

    By its metadata: MLflow's dataset of a DataFrame would first read all of it.
    """
    path = reference.file(file)
    metadata = pq.read_metadata(path)
    columns = Schema([ColSpec("string", column) for column in metadata.schema.names])
    with warnings.catch_warnings():
        # MLflow knows two names of its class for local files, and finds a path ambiguous for that.
        warnings.filterwarnings("ignore", "The specified dataset source can be interpreted in multiple ways")
        source = resolve_dataset_source(str(path))
    dataset = MetaDataset(source, name=name, digest=reference.short, schema=columns)  # type: ignore[abstract]
    tags = {"permix.digest": reference.digest, "permix.rows": str(metadata.num_rows)}
    mlflow.log_input(dataset, context=context, tags=tags)
