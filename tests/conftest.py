"""What tests of tasks and flows share: a Prefect server, and a workspace of their own.

No test reaches the user's Prefect, MLflow or workspace: the environment is set before either library is imported.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from permix.workspace import engine_environment

_HOME = Path(tempfile.mkdtemp(prefix="permix-tests-"))
os.environ.update(engine_environment(_HOME, given={}))
# A server or an address of the user's would otherwise be found in the environment or in Prefect's profile.
for name in ("PREFECT_API_URL", "PREFECT_API_KEY", "MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME"):
    os.environ.pop(name, None)


def pytest_unconfigure() -> None:
    shutil.rmtree(_HOME, ignore_errors=True)


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[None]:
    """A temporary Prefect server for the session (14 s to start); flows called in a test run against it."""
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=120):
        yield


@pytest.fixture(scope="session")
def empty_mlflow_database() -> Path:
    """A migrated, empty MLflow database: 5 s to make, 0.1 s to copy."""
    import mlflow

    database = _HOME / "empty" / "mlflow.db"
    database.parent.mkdir(parents=True)
    mlflow.MlflowClient(tracking_uri=f"sqlite:///{database}").search_experiments()
    return database


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty_mlflow_database: Path) -> Iterator[Path]:
    """An empty workspace for one test, with its own MLflow database and its own cache of Prefect results."""
    from prefect.settings import PREFECT_LOCAL_STORAGE_PATH, temporary_settings

    root = tmp_path / "workspace"
    database = root / "mlflow" / "mlflow.db"
    database.parent.mkdir(parents=True)
    shutil.copy(empty_mlflow_database, database)
    monkeypatch.setenv("PERMIX_WORKSPACE", str(root))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{database}")
    # MLflow leaves the last test's experiment here, whose number means another one in this database.
    monkeypatch.delenv("MLFLOW_EXPERIMENT_ID", raising=False)
    with temporary_settings({PREFECT_LOCAL_STORAGE_PATH: root / "prefect" / "storage"}):
        yield root
