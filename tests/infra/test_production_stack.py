"""infra/compose.yaml as processes, as there is no container engine: PostgreSQL, servers with passwords, a worker.

Commands and environments are read from the file; only hosts, ports and directories are this machine's. What this does
not show: the image, its user, volumes and networks.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import yaml
from profiles import tiny
from stack import PERMIX, free_port, wait_for

from permix.workspace import engine_environment

POSTGRES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1:]
ROOT = Path(__file__).resolve().parent.parent.parent
BIN = Path(sys.executable).parent
SECRETS = {
    "POSTGRES_PASSWORD": "pg4test",
    "PREFECT_AUTH": "permix:prefect4test",
    "MLFLOW_PASSWORD": "mlflow4testing",
    "MLFLOW_SECRET_KEY": "0123456789abcdef",
}
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not POSTGRES, reason="no PostgreSQL here: apt-get install postgresql"),
]


@dataclass(frozen=True)
class Production:
    prefect: str
    mlflow: str
    environment: dict[str, str]
    logs: Path

    def api(self, path: str, **query: Any) -> Any:
        auth = ("permix", "prefect4test")
        return httpx.post(f"{self.prefect}/{path}", json=query, timeout=30, auth=auth).raise_for_status().json()


def interpolated(text: str) -> str:
    """Compose's `${NAME}`, `${NAME:-default}` and `${NAME:?message}`."""
    return re.sub(
        r"\$\{(\w+)(?::([-?])([^}]*))?\}",
        lambda m: SECRETS.get(m.group(1)) or (m.group(3) if m.group(2) == "-" else ""),
        text,
    )


@contextmanager
def process(command: list[str], environment: dict[str, str], log: Path) -> Iterator[psutil.Popen]:
    with log.open("wb") as out:
        started = psutil.Popen(command, env=environment, stdout=out, stderr=out, cwd=ROOT, start_new_session=True)
    try:
        yield started
    finally:
        family = [started, *started.children(recursive=True)] if started.is_running() else []
        for each in family:
            with suppress(psutil.NoSuchProcess, ProcessLookupError):
                each.terminate()
        _, alive = psutil.wait_procs(family, timeout=30)
        for each in alive:
            with suppress(psutil.NoSuchProcess, ProcessLookupError):
                each.kill()


@contextmanager
def postgres(port: int, init: str, logs: Path) -> Iterator[None]:
    """A server of Debian's package, in a directory of its own; it will not run as root."""
    as_postgres = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    home = Path(tempfile.mkdtemp(prefix="permix-postgres-"))
    (home / "password").write_text(SECRETS["POSTGRES_PASSWORD"])
    if as_postgres:
        for path in (home, home / "password"):
            shutil.chown(path, "postgres", "postgres")
    [binaries] = POSTGRES
    options = ["--auth=scram-sha-256", "--username=permix", f"--pwfile={home / 'password'}", "--encoding=UTF8"]
    subprocess.run([*as_postgres, binaries / "initdb", "-D", home / "data", *options], check=True, capture_output=True)
    serve = [*as_postgres, str(binaries / "postgres"), "-D", str(home / "data"), "-p", str(port), "-k", str(home)]
    try:
        with process(serve, dict(os.environ), logs / "postgres.log"):
            ready = [str(binaries / "pg_isready"), "-h", "127.0.0.1", "-p", str(port)]
            wait_for(lambda: subprocess.run(ready, capture_output=True, check=False).returncode == 0, 60)
            environment = {**os.environ, "PGPASSWORD": SECRETS["POSTGRES_PASSWORD"]}
            where = ["-h", "127.0.0.1", "-p", str(port), "-U", "permix", "-d", "postgres"]
            subprocess.run([binaries / "psql", *where], input=init, text=True, check=True, env=environment)
            yield
    finally:
        shutil.rmtree(home, ignore_errors=True)


def answers(address: str) -> Callable[[], bool]:
    def ask() -> bool:
        try:
            return httpx.get(address, timeout=5).is_success
        except httpx.TransportError:
            return False

    return ask


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Production]:
    root = tmp_path_factory.mktemp("production")
    compose = yaml.safe_load((ROOT / "infra" / "compose.yaml").read_text(encoding="utf-8"))
    ports = {"postgres:5432": free_port(), "prefect:4200": free_port(), "mlflow:5000": free_port()}

    def here(text: str) -> str:
        text = interpolated(str(text))
        for address, port in ports.items():
            host, _, inside = address.partition(":")
            text = re.sub(rf"\b{host}:{inside}\b", f"127.0.0.1:{port}", text)
            text = re.sub(rf"\b(localhost|127\.0\.0\.1):{inside}\b", rf"\1:{port}", text)
            text = re.sub(rf"^(--port=)?{inside}$", rf"\g<1>{port}", text)
        return text.replace("0.0.0.0", "127.0.0.1").replace("/etc/mlflow-auth.ini", str(root / "auth.ini")).replace(
            "=/artifacts", f"={root / 'artifacts'}"
        )  # fmt: skip

    def service(name: str) -> tuple[list[str], dict[str, str]]:
        found = compose["services"][name]
        command = [here(part) for part in found["command"]]
        ours = ("PREFECT_", "MLFLOW_", "PERMIX_")
        plain = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
        environment = {
            **engine_environment(root / "workspace", given=plain),
            "PERMIX_HOME": str(ROOT),
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "PREFECT_WORKER_QUERY_SECONDS": "2",
            **{key: here(value) for key, value in found["environment"].items()},
        }
        return command, environment

    (root / "auth.ini").write_text(here(compose["configs"]["mlflow-auth"]["content"]))
    with ExitStack() as up:
        init = compose["configs"]["databases"]["content"]
        up.enter_context(postgres(ports["postgres:5432"], init, root))
        for name in ("prefect", "mlflow"):
            up.enter_context(process(*service(name), root / f"{name}.log"))
        prefect = f"http://127.0.0.1:{ports['prefect:4200']}/api"
        mlflow = f"http://127.0.0.1:{ports['mlflow:5000']}"
        try:
            wait_for(answers(f"{prefect}/health"), 180)
            wait_for(answers(f"{mlflow}/health"), 180)
        except AssertionError as error:
            raise AssertionError("\n".join(log.read_text()[-3000:] for log in root.glob("*.log"))) from error
        command, environment = service("deploy")
        deployed = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
        assert deployed.returncode == 0, deployed.stdout + deployed.stderr
        up.enter_context(process(*service("worker"), root / "worker.log"))
        yield Production(prefect, mlflow, environment, root)


def test_nobody_comes_in_without_a_password(production: Production) -> None:
    assert httpx.post(f"{production.prefect}/flows/filter", json={}).status_code == httpx.codes.UNAUTHORIZED
    search = f"{production.mlflow}/api/2.0/mlflow/experiments/search?max_results=1"
    assert httpx.get(search).status_code == httpx.codes.UNAUTHORIZED
    assert httpx.get(search, auth=("admin", "mlflow4testing")).is_success
    assert httpx.get(search, auth=("admin", "mlflow4testing"), headers={"Host": "evil.example"}).is_client_error


def test_one_retrain_on_postgresql_and_what_the_commands_say_of_it(production: Production) -> None:
    [deployment] = [
        d
        for d in production.api("deployments/filter")
        if (d["name"], d["entrypoint"]) == ("on-demand", "flows.retrain:retrain")
    ]
    profile = tiny("production")
    run = production.api(f"deployments/{deployment['id']}/create_flow_run", parameters={"profile": profile})

    def ended() -> Any:
        [found] = production.api("flow_runs/filter", flow_runs={"id": {"any_": [run["id"]]}})
        return found["state"]["type"] in {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"} and found

    assert wait_for(ended, 400)["state"]["type"] == "COMPLETED", (production.logs / "worker.log").read_text()[-5000:]

    def permix(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**production.environment, "COLUMNS": "200"}
        return subprocess.run([PERMIX, *arguments], capture_output=True, text=True, check=False, env=environment)

    ledger = permix("ledger", "--model", "permix-production")
    assert "promotion" in ledger.stdout, ledger.stderr
    lineage = permix("lineage", "--model", "permix-production")
    assert "scorecard" in lineage.stdout, lineage.stderr
    model = ["--model", "models:/permix-production@champion"]
    assert permix("chat", "What is 3 + 4?", *model).returncode == 0
    # Artifacts went through MLflow's server: no file of the store is in the worker's workspace.
    assert list((production.logs / "artifacts").rglob("model.safetensors"))
    assert not (production.logs / "workspace" / "mlflow" / "artifacts").exists()
    time.sleep(1)
    doctor = permix("doctor")
    assert doctor.returncode == 0, doctor.stdout + doctor.stderr
