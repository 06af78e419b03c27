"""Against a server that we did not write: `transformers serve`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from served import transformers_serve

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
    """The address of a process that serves the checkpoint."""
    with transformers_serve(untrained, tmp_path_factory.mktemp("serve") / "log") as url:
        yield url


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
