"""vLLM cannot be installed here: it is asked in its documented form, and a stand-in of that form answers."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from permix.generation import Chat, Completion, Sampling
from permix.generation.template import load_tokenizer
from permix.generation.vllm import complete, load

PROMPTS: list[Chat] = [
    [{"role": "system", "content": "You are a careful pirate."}, {"role": "user", "content": f"What is 3 + {n}?"}]
    for n in range(2)
]


@dataclass
class SamplingParams:
    """The parameters that are given; vLLM's own refuses unknown ones as well."""

    max_tokens: int
    temperature: float
    top_k: int
    top_p: float
    seed: int


@dataclass
class LLM:
    """Answers with what it was asked: the number of prompt tokens, and the seed."""

    model: str
    trust_remote_code: bool
    enable_prefix_caching: bool
    seed: int
    reason: str = "stop"
    asked: list[tuple[dict[str, list[int]], SamplingParams]] = field(default_factory=list)

    def generate(self, prompts: list[Any], sampling_params: list[SamplingParams], use_tqdm: bool) -> list[Any]:
        self.asked += list(zip(prompts, sampling_params, strict=True))
        return [
            SimpleNamespace(
                outputs=[SimpleNamespace(text=f" {params.seed} ", token_ids=[7, 7, 5], finish_reason=self.reason)]
            )
            for params in sampling_params
        ]


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("vllm")
    module.LLM, module.SamplingParams = LLM, SamplingParams  # type: ignore[attr-defined]
    module.__spec__ = SimpleNamespace(name="vllm")  # type: ignore[assignment]  # what find_spec looks for
    monkeypatch.setitem(sys.modules, "vllm", module)


@pytest.mark.skipif(find_spec("vllm") is not None, reason="vLLM is installed")
def test_without_vllm_the_way_out_is_named(untrained: Path) -> None:
    with pytest.raises(ValueError, match=r"not installed; .*vllm serve.*set evaluation\.backend to transformers"):
        load(untrained)


@pytest.mark.usefixtures("stand_in")
def test_each_completion_is_a_request_with_its_own_seed(untrained: Path) -> None:
    engine = load(untrained)
    assert (engine.llm.trust_remote_code, engine.llm.enable_prefix_caching) == (False, True)
    sampling = Sampling(8, temperature=0.5, top_p=0.9, samples=2, first=1, seed=3)
    written = complete(engine, PROMPTS, sampling)
    seeds = [[sampling.seed_of(prompt, sample) for sample in (1, 2)] for prompt in PROMPTS]
    assert written == [[Completion(str(seed), 3, True) for seed in row] for row in seeds]
    assert len({seed for row in seeds for seed in row}) == 4
    prompt, params = engine.llm.asked[2]
    text = load_tokenizer(untrained).decode(prompt["prompt_token_ids"])
    assert "3 + 1" in text
    assert (params.max_tokens, params.temperature, params.top_k, params.top_p) == (8, 0.5, -1, 0.9)
    engine.llm.reason = "length"
    assert not complete(engine, PROMPTS[:1], Sampling(8))[0][0].finished
    assert complete(engine, [], Sampling(8)) == []


@pytest.mark.usefixtures("stand_in")
def test_what_is_no_completion_is_an_error(untrained: Path) -> None:
    engine = load(untrained)
    engine.llm.reason = "abort"
    with pytest.raises(RuntimeError, match="gave up"):
        complete(engine, PROMPTS, Sampling(8))
    with pytest.raises(ValueError, match="do not fit the model's context of 64"):
        complete(engine, PROMPTS, Sampling(60))
