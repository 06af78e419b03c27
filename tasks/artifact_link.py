"""Where an artifact of the active MLflow run is shown in MLflow's UI."""

from __future__ import annotations

import mlflow

from permix.servers import HOST, MLFLOW_PORT


def artifact_link(path: str) -> str:
    """Address of an artifact's page; on the server in use, or on the one that `permix ui mlflow` starts."""
    run = mlflow.active_run()
    if run is None:
        raise ValueError(f"no MLflow run is active, so {path} is an artifact of none")
    uri = mlflow.get_tracking_uri()
    base = uri.rstrip("/") if uri.startswith("http") else f"http://{HOST}:{MLFLOW_PORT}"
    return f"{base}/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}/artifacts/{path}"
