"""Against a server that we did not write: `transformers serve`."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from permix.generation import Chat, Sampling, local
from permix.generation.server import Server, ServerError, complete
from permix.organism import world

PROMPTS: list[Chat] = [
    [{"role": "system", "content": persona.text}, {"role": "user", "content": problem.question}]
    for persona in world.personas()[:3]
    for problem in world.problems()[:3]
]


@pytest.fixture(scope="module")
def served(untrained: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a `transformers serve` process that serves the checkpoint."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("serve") / "log"
    command = [Path(sys.executable).with_name("transformers"), "serve", untrained]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_WAIT_POLICY": "PASSIVE", "OMP_NUM_THREADS": "1"}
    with log.open("w") as out:
        process = subprocess.Popen(
            [*map(str, command), "--host", "127.0.0.1", "--port", str(port), "--device", "cpu"],
            stdout=out,
            stderr=out,
            env=environment,
        )
    try:
        deadline = time.monotonic() + 120
        while not _healthy(f"http://127.0.0.1:{port}/health"):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.mark.slow
def test_a_served_model_says_what_it_says_in_this_process(served: str, untrained: Path) -> None:
    greedy = Sampling(max_tokens=12, temperature=0)
    here = local.complete(local.load(untrained, device="cpu"), PROMPTS, greedy)
    there = complete(Server(served, str(untrained), concurrency=2), PROMPTS, greedy)
    assert [completion.text for (completion,) in there] == [completion.text for (completion,) in here]
    assert len({completion.text for (completion,) in here}) > 1


@pytest.mark.slow
def test_what_the_server_refuses_is_an_error(served: str, untrained: Path) -> None:
    """It knows no top_k: better an error than completions that were drawn in another way than asked for."""
    with pytest.raises(ServerError, match="top_k") as caught:
        complete(Server(served, str(untrained), retries=0), PROMPTS[:1], Sampling(4, top_k=5))
    assert caught.value.status == 422


def _healthy(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
