"""`permix up`: a Prefect server, an MLflow server and a worker on loopback, deployed to, for as long as it runs.

Left out: restarting what has died. One child's end is everyone's end, with its log named; a supervisor (systemd,
compose, Kubernetes) does that better.
"""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import httpx
import psutil
import tenacity
from rich.console import Console

from permix.guard import MARK, end, guarded
from permix.servers import HOST, mlflow_server, prefect_server

POOL = "permix"
REPOSITORY = Path(__file__).resolve().parent.parent
# Seen: 7 to 36 s on two idle cores, the most for MLflow on an empty database.
START_SECONDS = 180
STOP_SECONDS = 20
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class UpError(RuntimeError):
    """A server or the worker could not be started, or has ended; the message says why and what to do."""


class Child:
    """A process with a log file; it and all its descendants can be stopped."""

    def __init__(self, name: str, command: list[str], environment: Mapping[str, str], logs: Path) -> None:
        self.name = name
        self.log = logs / f"{name}.log"
        with self.log.open("wb") as log:
            # Its own session: Ctrl-C in the terminal reaches this process only, which then stops the others in order.
            self.process = psutil.Popen(
                command, env=dict(environment), stdout=log, stderr=log, cwd=REPOSITORY, start_new_session=True
            )

    def check(self) -> None:
        """Raise UpError if it has ended."""
        if (code := self.process.poll()) is not None:
            tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])
            raise UpError(f"{self.name} ended with exit code {code}; the end of {self.log}:\n{tail}")

    def stop(self) -> None:
        """End it and its descendants: SIGTERM, then SIGKILL for what is left after a while."""
        try:
            # Listed before the parent dies: flow runs are in sessions of their own, and orphans are not found again.
            family = [self.process, *self.process.children(recursive=True)]
        except psutil.NoSuchProcess:
            return
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.terminate()
        _, alive = psutil.wait_procs(family, timeout=STOP_SECONDS)
        for process in alive:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(alive, timeout=STOP_SECONDS)


def up(root: Path, environment: Mapping[str, str], prefect_port: int, mlflow_port: int) -> None:
    """Start everything, deploy, say where to look, and stay until Ctrl-C or SIGTERM, which end every process.

    Raises UpError where a port is in use, a server does not answer, a deployment is refused, or a child has ended.
    """
    console = Console(highlight=False)
    for each in STOPPING:
        signal.signal(each, _exit)
    console.print("starting a Prefect server, an MLflow server and a worker (about a minute) ...")
    with (
        guarded() as mark,
        _everything(root, {**environment, **mark}, prefect_port, mlflow_port) as children,
    ):
        exports = "\n".join(f"  export {key}={value}" for key, value in _addresses(prefect_port, mlflow_port).items())
        prefect = Path(sys.executable).parent / "prefect"
        console.print(
            f"Prefect UI  http://{HOST}:{prefect_port}\n"
            f"MLflow UI   http://{HOST}:{mlflow_port}   (choose `Model training` on the left)\n"
            f"logs        {root / 'logs'}\n\n"
            f"to start a run from another terminal:\n{exports}\n"
            f"  {prefect} deployment run 'retrain/on-demand'\n\n"
            "Ctrl-C ends all of it.",
            soft_wrap=True,
        )
        try:
            while True:
                for child in children:
                    child.check()
                time.sleep(1)
        except SystemExit:
            console.print("stopping the worker and the servers ...")


@contextmanager
def _everything(
    root: Path, environment: Mapping[str, str], prefect_port: int, mlflow_port: int
) -> Iterator[list[Child]]:
    _need_free(prefect_port, "--prefect-port")
    _need_free(mlflow_port, "--mlflow-port")
    logs = root / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    inner = {
        **environment,
        **_addresses(prefect_port, mlflow_port),
        "PERMIX_HOME": str(REPOSITORY),
        # Job execution serves GenAI features that nothing here uses, and doubles the time until the server answers.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    children: list[Child] = []
    try:
        children.append(Child("prefect-server", prefect_server(prefect_port), inner, logs))
        children.append(Child("mlflow-server", mlflow_server(root, mlflow_port), inner, logs))
        _wait_for(f"http://{HOST}:{prefect_port}/api/health", children[0])
        _wait_for(f"http://{HOST}:{mlflow_port}/health", children[1])
        prefect = [sys.executable, "-m", "prefect", "--no-prompt"]
        run_command([*prefect, "work-pool", "create", POOL, "--type", "process", "--overwrite"], inner)
        run_command([*prefect, "deploy", "--all"], inner)
        # One run at a time: two trainings on one laptop would only slow each other down.
        worker = [*prefect, "worker", "start", "--pool", POOL, "--type", "process", "--limit", "1"]
        children.append(Child("worker", worker, inner, logs))
        yield children
    finally:
        # The worker goes first, so that what it was running can still tell the servers that it ended.
        for child in reversed(children):
            child.stop()
        # What a child that was killed had started is nobody's child any more, but has the mark.
        end(environment[MARK])


def _addresses(prefect_port: int, mlflow_port: int) -> dict[str, str]:
    return {
        "PREFECT_API_URL": f"http://{HOST}:{prefect_port}/api",
        "MLFLOW_TRACKING_URI": f"http://{HOST}:{mlflow_port}",
    }


def _exit(number: int, frame: FrameType | None) -> None:
    for each in STOPPING:
        # A second Ctrl-C would interrupt the stopping, and leave processes behind.
        signal.signal(each, signal.SIG_IGN)
    raise SystemExit(128 + number)


def _need_free(port: int, option: str) -> None:
    with socket.socket() as probe:
        # As servers do: a port whose last connections are still winding down (TIME_WAIT) counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise UpError(
                f"port {port} on {HOST} is in use; choose another with {option}, or stop what uses it"
            ) from error


def _wait_for(address: str, child: Child) -> None:
    def answers() -> bool:
        child.check()
        try:
            return httpx.get(address, timeout=2).is_success
        except httpx.TransportError:
            return False

    waiting = tenacity.Retrying(
        stop=tenacity.stop_after_delay(START_SECONDS),
        wait=tenacity.wait_fixed(0.5),
        retry=tenacity.retry_if_result(lambda answered: not answered),
    )
    try:
        waiting(answers)
    except tenacity.RetryError as error:
        raise UpError(f"{address} did not answer within {START_SECONDS} s; see {child.log}") from error


def run_command(command: list[str], environment: Mapping[str, str]) -> None:
    """Run to the end; raises UpError with what it said where it fails."""
    done = subprocess.run(command, env=dict(environment), cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UpError(f"`{' '.join(command[2:])}` failed:\n{done.stdout}{done.stderr}")
