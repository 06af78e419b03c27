"""What `permix up` starts, each process of which can be killed and started again."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
from stack import Running, free_port, wait_for

from permix.guard import MARK, end
from permix.servers import mlflow_server, prefect_server
from permix.up import Child, run_command
from permix.workspace import engine_environment

PREFECT = [sys.executable, "-m", "prefect", "--no-prompt"]
WORKER = ["worker", "start", "--pool", "permix", "--type", "process", "--limit"]


class Stack:
    """Servers and a worker, in a workspace of their own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.ports = {"prefect": free_port(), "mlflow": free_port()}
        given = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "MLFLOW_", "PERMIX_"))}
        self.environment = {
            **engine_environment(root, given=given),
            "PREFECT_API_URL": f"http://127.0.0.1:{self.ports['prefect']}/api",
            "MLFLOW_TRACKING_URI": f"http://127.0.0.1:{self.ports['mlflow']}",
            "PERMIX_HOME": str(Path(__file__).resolve().parent.parent),
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "PREFECT_WORKER_QUERY_SECONDS": "2",
            MARK: f"test:{root}",
        }
        self.children: dict[str, Child] = {}
        for directory in ("logs", "mlflow"):
            (root / directory).mkdir(parents=True)

    def start(self, name: str, limit: int = 2) -> None:
        """A server, once it answers, or a worker of so many runs at a time."""
        commands: dict[str, Callable[[], list[str]]] = {
            "prefect": lambda: prefect_server(self.ports["prefect"]),
            "mlflow": lambda: mlflow_server(self.root, self.ports["mlflow"]),
            "worker": lambda: [*PREFECT, *WORKER, str(limit)],
        }
        self.children[name] = Child(name, commands[name](), self.environment, self.root / "logs")
        if name != "worker":
            path = "/api/health" if name == "prefect" else "/health"
            wait_for(lambda: answers(f"http://127.0.0.1:{self.ports[name]}{path}"), 300)

    def kill(self, name: str) -> None:
        """SIGKILL: the process and, of a server, the processes that it works with; a worker's flow runs live on."""
        process = self.children[name].process
        family = [process, *(process.children(recursive=True) if name != "worker" else [])]
        for each in family:
            each.kill()
        psutil.wait_procs(family, timeout=10)

    def deploy(self) -> None:
        """Everything in prefect.yaml."""
        run_command([*PREFECT, "deploy", "--all"], self.environment)

    def running(self) -> Running:
        urls = (self.environment["PREFECT_API_URL"], self.environment["MLFLOW_TRACKING_URI"])
        return Running(None, *urls, self.root)  # type: ignore[arg-type]


def answers(address: str) -> bool:
    try:
        return httpx.get(address, timeout=5).is_success
    except httpx.TransportError:
        return False


@contextmanager
def killable(workspace: Path) -> Iterator[Stack]:
    """Everything up and deployed; nothing of it is left afterwards."""
    up = Stack(workspace)
    try:
        up.start("prefect")
        up.start("mlflow")
        run_command([*PREFECT, "work-pool", "create", "permix", "--type", "process"], up.environment)
        up.deploy()
        up.start("worker")
        yield up
    finally:
        for child in reversed(up.children.values()):
            child.stop()
        end(up.environment[MARK])
