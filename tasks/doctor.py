"""`permix doctor`: what silently breaks, each with its fix; exits with 1 where something is broken.

Heavy imports are inside: with a wrong pin Prefect cannot even be imported, and that is the first thing to say.
"""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import httpx
from packaging.requirements import Requirement

from permix.up import POOL
from permix.workspace import workspace

Level = Literal["ok", "warn", "FAIL"]
FREE_BYTES = 2 * 2**30
"""Less free space than this is a warning."""
LATE = timedelta(minutes=10)
PROBE = "permix-doctor"
"""Experiment that the artifact store is tried with."""


@dataclass(frozen=True)
class Finding:
    """One line of the report."""

    what: str
    level: Level
    said: str
    fix: str = ""


def examine() -> Iterator[Finding]:
    """Every check, in the order in which a broken one breaks the next."""
    yield from pins()
    yield disk()
    yield from prefect_side()
    yield from mlflow_side()


def pins(distribution: str = "permix") -> Iterator[Finding]:
    """Whether what is installed is what permix asks for; `pip check` says nothing of upper bounds of others."""
    wrong = 0
    asked = [Requirement(line) for line in importlib.metadata.requires(distribution) or ()]
    asked = [each for each in asked if each.marker is None or each.marker.evaluate({"extra": ""})]
    for requirement in asked:
        try:
            installed = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            installed = "not installed"
        if installed == "not installed" or not requirement.specifier.contains(installed, prereleases=True):
            wrong += 1
            yield Finding(
                f"pin {requirement.name}",
                "FAIL",
                f"{installed}; permix needs {requirement.specifier or 'any version'}",
                f"pip install --constraint constraints.txt '{requirement.name}{requirement.specifier}'",
            )
    if not wrong:
        yield Finding("pins", "ok", f"{len(asked)} requirements hold")


def disk() -> Finding:
    """Free space where the workspace is."""
    there = next(path for path in (workspace(), *workspace().parents) if path.exists())
    free = shutil.disk_usage(there).free
    said = f"{free / 2**30:.1f} GiB free for {workspace()}"
    if free < FREE_BYTES:
        return Finding("disk", "warn", said, "make room, or set PERMIX_WORKSPACE to another disk")
    return Finding("disk", "ok", said)


def prefect_side() -> Iterator[Finding]:
    """The server, its version, the pool, its workers, the deployments and their schedules."""
    address = os.environ.get("PREFECT_API_URL")
    if not address:
        yield Finding(
            "Prefect server",
            "warn",
            "PREFECT_API_URL is not set: every command starts a server of its own, and nothing is scheduled",
            "`permix up`, and the export lines that it prints",
        )
        return
    # As `user:password`, the way Prefect's own clients take it.
    user, _, password = os.environ.get("PREFECT_API_AUTH_STRING", "").partition(":")
    with httpx.Client(base_url=address, timeout=20, auth=(user, password) if user else None) as client:
        reached = _version("Prefect server", address, lambda: client.get("/admin/version"), "prefect")
        yield reached
        if reached.level == "FAIL":
            return
        yield from _pool(client)
        yield from _schedules(client)


def mlflow_side() -> Iterator[Finding]:
    """The server and its version, the artifact store by writing to it, and the registry's ledger."""
    address = os.environ.get("MLFLOW_TRACKING_URI", "")
    if address.startswith(("http://", "https://")):
        user, password = (os.environ.get(f"MLFLOW_TRACKING_{part}", "") for part in ("USERNAME", "PASSWORD"))
        auth = (user, password) if user else None
        reached = _version(
            "MLflow server", address, lambda: httpx.get(f"{address}/version", timeout=20, auth=auth), "mlflow"
        )
        yield reached
        if reached.level == "FAIL":
            return
    yield _store()
    yield from _ledgers()


def _version(what: str, address: str, ask: Callable[[], httpx.Response], package: str) -> Finding:
    try:
        answered = ask().raise_for_status().text.strip().strip('"')
    except httpx.HTTPStatusError as error:
        fix = (
            "set the user and password that the server asks for" if error.response.status_code == 401 else "see its log"
        )
        return Finding(what, "FAIL", f"{address} answers {error.response.status_code}", fix)
    except httpx.HTTPError as error:
        return Finding(
            what, "FAIL", f"{address} does not answer: {error}", "start it (`permix up`), or correct its address"
        )
    installed = importlib.metadata.version(package)
    if answered.split(".")[:2] != installed.split(".")[:2]:
        return Finding(
            what,
            "FAIL",
            f"{address} is {package} {answered}, here is {installed}",
            f"pip install '{package}=={answered}'",
        )
    return Finding(what, "ok", f"{address}, {package} {answered}")


def _pool(client: httpx.Client) -> Iterator[Finding]:
    if client.get(f"/work_pools/{POOL}").status_code == httpx.codes.NOT_FOUND:
        yield Finding(
            "work pool", "FAIL", f"there is no pool {POOL}", f"prefect work-pool create {POOL} --type process"
        )
        return
    pool = client.get(f"/work_pools/{POOL}").raise_for_status().json()
    if pool["is_paused"]:
        yield Finding("work pool", "FAIL", f"{POOL} is paused", f"prefect work-pool resume {POOL}")
    workers = client.post(f"/work_pools/{POOL}/workers/filter", json={}).raise_for_status().json()
    alive = [worker["name"] for worker in workers if worker["status"] == "ONLINE"]
    if alive:
        yield Finding("worker", "ok", f"{len(alive)} of pool {POOL} online: {', '.join(alive)}")
    else:
        seen = max((worker["last_heartbeat_time"] for worker in workers), default="never")
        yield Finding(
            "worker",
            "FAIL",
            f"none of pool {POOL} is online (last heard of: {seen})",
            f"prefect worker start --pool {POOL}",
        )


def _schedules(client: httpx.Client) -> Iterator[Finding]:
    deployments = client.post("/deployments/filter", json={}).raise_for_status().json()
    if not deployments:
        yield Finding("deployments", "FAIL", "there are none", "prefect deploy --all, in the checkout")
        return
    yield Finding("deployments", "ok", f"{len(deployments)}")
    now = datetime.now(UTC)
    for deployment in deployments:
        active = [schedule for schedule in deployment["schedules"] if schedule["active"]]
        if not deployment["schedules"]:
            continue
        name = f"schedule of {deployment['name']}"
        if not active or deployment["paused"]:
            yield Finding(
                name, "warn", "paused: it makes no runs", f"prefect deployment schedule resume, for {deployment['id']}"
            )
            continue
        waiting = _runs(client, deployment["id"], {"after_": now.isoformat()})
        late = _runs(client, deployment["id"], {"before_": (now - LATE).isoformat()})
        if not waiting:
            yield Finding(
                name,
                "FAIL",
                "it has made no run for the future",
                "look for errors of bulk_dml in the server's log: SQLAlchemy 2.1 does this silently; "
                "pip install 'sqlalchemy[asyncio]>=2.0,<2.1' and restart the server",
            )
        elif late:
            yield Finding(name, "FAIL", f"{len(late)} runs are late", "start a worker, or raise the pool's limit")
        else:
            first = min(run["expected_start_time"] for run in waiting)
            yield Finding(name, "ok", f"{len(waiting)} runs ahead, the next at {first[:16]}")


def _runs(client: httpx.Client, deployment: str, expected: dict[str, str]) -> list[dict[str, Any]]:
    query = {
        "deployments": {"id": {"any_": [deployment]}},
        "flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}, "expected_start_time": expected},
    }
    found: list[dict[str, Any]] = client.post("/flow_runs/filter", json=query).raise_for_status().json()
    return [run for run in found if run["auto_scheduled"]]


def _store() -> Finding:
    """Write a run with an artifact, read it back, delete it: database, artifact store and rights in one."""
    import mlflow

    from tasks.tracking import use_experiment

    wrote = datetime.now(UTC).isoformat()
    try:
        use_experiment(PROBE)
        with mlflow.start_run(run_name="doctor") as run:
            mlflow.log_text(wrote, "probe.txt")
            read = mlflow.artifacts.load_text(f"{run.info.artifact_uri}/probe.txt")
        mlflow.delete_run(run.info.run_id)
    # Whatever it is, the report goes on and names it.
    except Exception as error:
        return Finding(
            "artifact store",
            "FAIL",
            f"cannot be written at {mlflow.get_tracking_uri()}: {type(error).__name__}: {error}",
            "mend what it says: space, rights, or the credentials of the store in this environment",
        )
    if read != wrote:
        return Finding("artifact store", "FAIL", "what was read is not what was written", "look at the store")
    return Finding("artifact store", "ok", f"written and read through {mlflow.get_tracking_uri()}")


def _ledgers() -> Iterator[Finding]:
    import mlflow

    from tasks.ledger import CHAMPION, alias, ledger_name, read_ledger

    names = {model.name for model in mlflow.search_registered_models()}
    for name in sorted(name for name in names if ledger_name(name) in names):
        ledger = read_ledger(name)
        champion = alias(name, CHAMPION)
        if ledger.faults:
            yield Finding(
                f"ledger of {name}", "FAIL", "; ".join(ledger.faults), f"permix ledger --model {name}; ask who did"
            )
        elif champion != ledger.champion:
            yield Finding(
                f"ledger of {name}",
                "warn",
                f"says version {ledger.champion}, and the alias is at {champion}",
                "the next promotion or rollback completes it, or writes it down as moved by hand",
            )
        else:
            yield Finding(f"ledger of {name}", "ok", f"{len(ledger.entries)} entries; champion: version {champion}")


def main() -> None:
    """Print the report as it comes."""
    worst = 0
    for finding in examine():
        print(f"{finding.level:<5} {finding.what}: {finding.said}", flush=True)
        if finding.fix and finding.level != "ok":
            print(f"      fix: {finding.fix}", flush=True)
        worst = max(worst, finding.level == "FAIL")
    sys.exit(worst)


if __name__ == "__main__":
    main()
