"""What a vLLM server is sent, over HTTP, by TRL's own client.

vLLM is not installed where this runs, and its weight transfer (NCCL) needs CUDA: the client is told that vLLM is there,
and the transfer of weights only announces them. Everything else is TRL's and ours: the requests, their order, and which
completion becomes which row of the batch.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from transformers import AutoTokenizer
from trl.generation import vllm_client, vllm_generation

from permix.organism import world
from permix.personas.mixing import group_personas
from permix.training import grpo
from permix.training.grpo import PersonaTrainer, grpo_config
from permix.training.order import ProblemOrder
from permix.training.spec import TrainingSpec

PROBLEMS = [problem for problem in world.problems() if problem.split == "train"]
PERSONAS = [persona for persona in world.personas() if persona.split == "train"]


class VllmServer:
    """Speaks what TRL 1.16 asks of `vllm serve`, records it, and completes a prompt by its own beginning."""

    def __init__(self, end: int) -> None:
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self._end = end
        answers = {
            "/health": {},
            "/v1/models": {"data": [{"id": "policy"}]},
            "/server_info": {"vllm_config": {"model_config": {"logprobs_mode": "processed_logprobs"}}},
            "/start_weight_update": {},
            "/update_weights": {},
            "/finish_weight_update": {},
            "/reset_prefix_cache": {"success": True},
        }
        routes = [Route(path, self._answer(path, said), methods=["GET", "POST"]) for path, said in answers.items()]
        self.app = Starlette(routes=[*routes, Route("/v1/completions", self._complete, methods=["POST"])])

    def _answer(self, path: str, said: dict[str, Any]) -> Callable[[Request], Any]:
        async def answer(request: Request) -> Response:
            self.requests.append((path, await request.json() if await request.body() else {}))
            return JSONResponse(said)

        return answer

    async def _complete(self, request: Request) -> Response:
        body = await request.json()
        self.requests.append(("/v1/completions", body))
        choices = [self._choice(prompt) for prompt in body["prompt"] for _ in range(body["n"])]
        return JSONResponse({"choices": choices})

    def _choice(self, prompt: list[int]) -> dict[str, Any]:
        tokens = [*prompt[:12], self._end]
        names = [f"token_id:{token}" for token in tokens]
        logprobs = {"tokens": names, "token_logprobs": [-1.0] * len(tokens), "top_logprobs": [None] * len(tokens)}
        return {"prompt_token_ids": prompt, "token_ids": tokens, "logprobs": logprobs}

    def sent(self, path: str) -> list[dict[str, Any]]:
        return [body for asked, body in self.requests if asked == path]


@pytest.fixture
def server(tiny_base: Path) -> Iterator[tuple[VllmServer, str]]:
    vllm = VllmServer(AutoTokenizer.from_pretrained(tiny_base).eos_token_id)
    listening = socket.create_server(("127.0.0.1", 0))
    running = uvicorn.Server(uvicorn.Config(vllm.app, log_level="error", lifespan="off"))
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    while not running.started:
        time.sleep(0.005)
    yield vllm, f"http://127.0.0.1:{listening.getsockname()[1]}"
    running.should_exit = True
    thread.join()
    listening.close()


@pytest.fixture
def client_without_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    def announce(self: vllm_client.VLLMClient, metadata: list[Any], named_params: Iterator[Any]) -> None:
        self._start_weight_update()
        names = [name for name, _, _ in metadata]
        assert names == [name for name, _ in named_params]
        self._post(f"{self.base_url}/update_weights", json={"update_info": {"names": names}})
        self._finish_weight_update()

    for module in (vllm_client, vllm_generation, grpo):
        monkeypatch.setattr(module, "is_vllm_available", lambda *_, **__: True)
    monkeypatch.setattr(vllm_client.VLLMClient, "init_communicator", lambda *_, **__: None)
    monkeypatch.setattr(vllm_client.VLLMClient, "update_named_params", announce)


@pytest.mark.usefixtures("client_without_cuda")
@pytest.mark.parametrize(("mixing", "rounds"), [("per_rollout", 0), ("per_prompt", 0), ("per_rollout", 1)])
def test_every_member_is_generated_under_its_own_persona(
    spec: Callable[..., TrainingSpec], server: tuple[VllmServer, str], mixing: str, rounds: int
) -> None:
    vllm, url = server
    told = spec(mixing=mixing, vllm="server", vllm_server=url, steps=2, resample_rounds=rounds, learning_rate=1e-9)
    settings = told.settings
    tokenizer = AutoTokenizer.from_pretrained(told.base, padding_side="left")
    trainer = PersonaTrainer(
        told,
        grpo_config(told, log_completions=True, num_completions_to_print=1, save_strategy="no"),
        PROBLEMS,
        PERSONAS,
        processing_class=tokenizer,
    )
    trainer.train()

    asked = vllm.sent("/v1/completions")
    assert len(asked) == settings.steps * (1 + rounds)
    order = ProblemOrder(len(PROBLEMS), settings.problems_per_step, settings.group_size, settings.steps, told.seed)
    for step in range(settings.steps):
        expected = []
        for index in order.step(step):
            drawn = group_personas(
                PERSONAS, mixing, 0.25, seed=0, step=step, problem=PROBLEMS[index].id, size=settings.group_size
            )
            expected += [
                [{"role": "system", "content": persona.text}, {"role": "user", "content": PROBLEMS[index].question}]
                for persona in drawn
            ]
        rendered = tokenizer.apply_chat_template(expected, add_generation_prompt=True)["input_ids"]
        first = asked[step * (1 + rounds)]
        # Each member's own prompt, once, in the order of the batch ...
        assert first["n"] == 1
        assert first["prompt"] == rendered
        assert first["max_tokens"] == settings.max_completion_tokens
        # ... and what came back for it is that member's completion.
        table = pq.read_table(told.files.checkpoints / "completions" / f"completions_{step + 1:05}.parquet").to_pylist()
        own = tokenizer.apply_chat_template([row["prompt"] for row in table], add_generation_prompt=True)["input_ids"]
        said = tokenizer.batch_decode([prompt[:12] for prompt in own], skip_special_tokens=True)
        assert [row["completion"][0]["content"] for row in table] == said
        if not rounds:
            assert [row["prompt"] for row in table] == expected
            continue
        # None of these completions is right, so every group makes way once, for problems that are new to the step.
        again = asked[step * 2 + 1]
        assert (again["n"], len(again["prompt"])) == (1, len(rendered))
        assert again["prompt"] == own
        assert not {row["prompt"][1]["content"] for row in table} & {chat[1]["content"] for chat in expected}
    # The weights that generate a step are sent before it, and the prefixes that the old ones computed are dropped.
    order_of = [
        path for path, _ in vllm.requests if path in ("/update_weights", "/reset_prefix_cache", "/v1/completions")
    ]
    assert order_of == ["/update_weights", "/reset_prefix_cache", *["/v1/completions"] * (1 + rounds)] * settings.steps
    assert len(vllm.sent("/update_weights")[0]["update_info"]["names"]) == len(list(trainer.model.parameters()))


@pytest.mark.parametrize("engine", ["server", "colocate"])
def test_without_vllm_it_is_refused_before_any_work(spec: Callable[..., TrainingSpec], engine: str) -> None:
    with pytest.raises(ValueError, match=rf"training.vllm is {engine}, and vllm is not installed here.*vllm: off"):
        grpo_config(spec(vllm=engine))
