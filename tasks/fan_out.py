"""The independent parts of a stage as Prefect tasks on a Ray cluster, where the profile has one; else here, in order.

A shard is a pure function and its part; what it comes to is handed back to the stage, which alone writes files. So a
worker that is killed loses its shard and nothing else: Ray runs it again, three times at most. Ray's own processes end
with the stage, also where the stage is killed.
"""

from __future__ import annotations

import os
import secrets
import signal
import socket
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from permix.config import FanOutSettings
from permix.each import Done, Each, Part

LOCAL = "local"
# At 0, Ray binds to loopback where it takes itself to be alone, as on Windows and macOS; elsewhere to all addresses. It
# reads this, as it reads the mode of its tokens, when it is imported.
ALONE = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
# One cluster a process: Ray has one connection, and the first stage to end would close it under another.
_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True)
class FanOut:
    """How a stage does its parts."""

    each: Each
    """What needs a processor."""
    generate_each: Each
    """What needs the model, hence GPUs where the profile says so."""


HERE = FanOut(map, map)
"""In this process, one after the other."""


# What is kept is kept by the stage; a shard that fails for good fails the stage.
@task(name="shard", task_run_name="{stage} {number}", cache_policy=NO_CACHE, persist_result=False)
def shard(stage: str, number: int, work: Callable[[], Any]) -> Any:
    """One part of a stage's work, on whichever machine."""
    return work()


def check_installed(settings: FanOutSettings | None) -> None:
    """Raises ValueError where the profile asks for Ray and it is not installed."""
    if settings is not None and find_spec("prefect_ray") is None:
        raise ValueError(
            "the profile's fan_out needs Ray, which is not installed: pip install -e '.[ray]' --constraint "
            "constraints.txt (in permix's directory), or set fan_out to null"
        )


@contextmanager
def fanned_out(settings: FanOutSettings | None, stage: str) -> Iterator[FanOut]:
    """Connect to the profile's cluster, or start one, for the time of a stage.

    Raises ValueError where Ray is not installed, no cluster answers at the address, or one that is started here would
    listen beyond this machine.
    """
    if settings is None:
        yield HERE
        return
    check_installed(settings)
    with _ONE_AT_A_TIME, ExitStack() as stack:
        # Shards log to Prefect, as all tasks do, and not a second time to this terminal.
        options: dict[str, Any] = {"logging_level": "WARNING", "log_to_driver": False}
        if settings.address == LOCAL:
            os.environ.update(_local_environment())
            # Not in the workspace, whose path may be longer than a socket's may be.
            directory = tempfile.TemporaryDirectory(prefix="permix-ray-", ignore_cleanup_errors=True)
            options |= {"include_dashboard": False, "_temp_dir": stack.enter_context(directory)}
        # Where Prefect runs a temporary server, a worker would otherwise start another one.
        with get_client(sync_client=True) as client:
            stack.enter_context(temporary_settings({PREFECT_API_URL: str(client.api_url)}))
        runner = stack.enter_context(_connected(settings.address, options))
        each = partial(_each, runner, settings.shards, stage)
        yield FanOut(partial(each, {}), partial(each, {"num_gpus": settings.gpus} if settings.gpus else {}))


def _local_environment() -> dict[str, str]:
    """What keeps a cluster of this machine to this machine. What the user has set is left alone.

    Raises ValueError where something has imported Ray already, which has then read the first of these as unset.
    """
    if ALONE not in os.environ and "ray._private.ray_constants" in sys.modules:
        raise ValueError(
            "something in this process has imported Ray, which would now listen on all addresses: set "
            f"{ALONE}=0 in the flow run's environment"
        )
    wanted = {ALONE: "0", "RAY_USAGE_STATS_ENABLED": "0"}
    if "RAY_AUTH_MODE" not in os.environ:
        # Without a token of this process's own, Ray would leave one in the user's home.
        wanted |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    return {name: value for name, value in wanted.items() if name not in os.environ}


@contextmanager
def _connected(address: str, options: dict[str, Any]) -> Iterator[Any]:
    from prefect_ray import RayTaskRunner

    main = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGTERM)
    runner: Any = RayTaskRunner(address=address, init_kwargs=options)
    with ExitStack() as stack:
        try:
            if address != LOCAL:
                # Ray itself asks for minutes where nobody answers.
                host, port = address.removeprefix("ray://").split(":")
                socket.create_connection((host, int(port)), timeout=10).close()
            stack.enter_context(runner)
        except OSError as error:
            raise ValueError(
                f"no Ray cluster answers at {address} ({error}): start it (ray start --head), mend fan_out.address, or "
                "set it to local"
            ) from error
        if main:
            # Ray puts a handler of its own there, which would end this process as if nothing were open.
            signal.signal(signal.SIGTERM, handler)
        yield runner


def _each(
    runner: Any,
    shards: int,
    stage: str,
    resources: dict[str, Any],
    function: Callable[[Part], Done],
    parts: Iterable[Part],
) -> Iterator[Done]:
    """As `map`, with so many shards under way at a time."""
    from prefect_ray.context import remote_options

    under_way: deque[Any] = deque()
    for number, part in enumerate(parts):
        # A partial, which Prefect does not search for futures as it would a list.
        parameters = {"stage": stage, "number": number, "work": partial(function, part)}
        with remote_options(**resources):
            under_way.append(runner.submit(shard, parameters))
        if len(under_way) == shards:
            yield under_way.popleft().result()
    while under_way:
        yield under_way.popleft().result()
