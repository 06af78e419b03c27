"""Aliases and tags in the registry, set also where two processes set the same one for the first time.

MLflow's store looks whether it is there and then inserts it, so the slower of the two is refused; tried again, it finds
it there and sets it.
"""

from __future__ import annotations

import mlflow
import tenacity
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import BAD_REQUEST, ErrorCode


def _refused(error: BaseException) -> bool:
    return isinstance(error, MlflowException) and error.error_code == ErrorCode.Name(BAD_REQUEST)


_again = tenacity.retry(
    retry=tenacity.retry_if_exception(_refused),
    stop=tenacity.stop_after_attempt(5),
    wait=tenacity.wait_random(0, 0.5),
    reraise=True,
)


@_again
def set_alias(name: str, which: str, version: str) -> None:
    """Point an alias of a registered model to a version."""
    mlflow.MlflowClient().set_registered_model_alias(name, which, version)


@_again
def set_tag(name: str, version: str, tag: str, value: str) -> None:
    """Set a tag of a version."""
    mlflow.MlflowClient().set_model_version_tag(name, version, tag, value)
