"""The commands that start Prefect's and MLflow's servers over the workspace's stores, on loopback."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

HOST = "127.0.0.1"
PREFECT_PORT = 4200
MLFLOW_PORT = 5000


def prefect_server(port: int) -> list[str]:
    """Prefect's server, with its UI; its database is the one in PREFECT_HOME."""
    return [sys.executable, "-m", "prefect", "server", "start", "--host", HOST, "--port", str(port)]


def mlflow_server(root: Path, port: int) -> list[str]:
    """MLflow's server, with its UI, over the workspace's database.

    Artifacts of new experiments go to the workspace as files, as they do without a server, and are not proxied: a
    proxied experiment could be read by nobody once this server has stopped, and the next run without one would fail.
    """
    store = root / "mlflow"
    return [
        *(sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(port), "--workers", "1"),
        *("--backend-store-uri", f"sqlite:///{store / 'mlflow.db'}"),
        *("--default-artifact-root", (store / "artifacts").as_uri(), "--no-serve-artifacts"),
    ]


def command(*arguments: str) -> str:
    """A `permix` command line as the user can type it where he stands: by name if that is on PATH, else by path."""
    script = Path(sys.executable).parent / "permix"
    found = shutil.which("permix")
    if found is not None and Path(found).resolve() == script.resolve():
        return " ".join(["permix", *arguments])
    here = script.relative_to(Path.cwd()) if script.is_relative_to(Path.cwd()) else script
    return " ".join([str(here), *arguments])
