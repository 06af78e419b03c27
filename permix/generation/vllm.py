"""Completions by vLLM's offline engine, on a GPU. It is imported only when it is chosen; permix does not install it.

Written after vLLM's documentation, and not run: vLLM could not be installed where this was written. What is tested is
how it is asked and how its answers are read, against a stand-in of the documented form.

One request a completion, each with a seed of its own, as for a server; what prompts begin with alike vLLM reads once
by itself (`enable_prefix_caching`). It draws its own noise, so its completions are others than those of `local`; the
cache keeps the two apart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from permix.generation.completion import Chat, Completion, Sampling


@dataclass(frozen=True)
class Engine:
    """A model that vLLM has loaded, and its tokenizer."""

    llm: Any
    tokenizer: Any
    room: int | None
    """The model's context, in tokens."""


def check_installed() -> None:
    """Raises ValueError where vLLM is not installed."""
    if find_spec("vllm") is None:
        raise ValueError(
            "evaluation.backend is vllm, which is not installed; install it where there is a GPU (pip install vllm, in "
            "an environment of its own that has permix too), serve the model elsewhere (vllm serve) and give its URL "
            "to permix evaluate --model, or set evaluation.backend to transformers"
        )


def load(directory: Path | str) -> Engine:
    """Load a transformers checkpoint into vLLM. Raises ValueError where vLLM or the checkpoint is missing."""
    check_installed()
    from transformers import AutoConfig
    from vllm import LLM

    from permix.generation.template import load_tokenizer

    tokenizer = load_tokenizer(directory)
    config = AutoConfig.from_pretrained(directory, local_files_only=True, trust_remote_code=False)
    llm = LLM(model=str(directory), trust_remote_code=False, enable_prefix_caching=True, seed=0)
    return Engine(llm, tokenizer, getattr(config, "max_position_embeddings", None))


def complete(
    engine: Engine,
    prompts: Sequence[Chat],
    sampling: Sampling,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> list[list[Completion]]:
    """For each prompt, in order, its samples; `report` hears (done, total) completions, once, at the end.

    Raises ValueError if a prompt leaves no room for max_tokens, RuntimeError where vLLM gives something up.
    """
    from vllm import SamplingParams

    from permix.generation.template import encode

    _, encoded = encode(engine.tokenizer, prompts, sampling, engine.room)
    wanted = [(row, sample) for row in range(len(prompts)) for sample in sampling.numbers]
    drawing = [
        SamplingParams(
            max_tokens=sampling.max_tokens,
            temperature=sampling.temperature,
            top_k=sampling.top_k or -1,
            top_p=sampling.top_p,
            seed=sampling.seed_of(prompts[row], sample),
        )
        for row, sample in wanted
    ]
    asked = [{"prompt_token_ids": encoded[row]} for row, _ in wanted]
    written = [_read(answer) for answer in engine.llm.generate(asked, drawing, use_tqdm=False)] if wanted else []
    report(len(written), len(wanted))
    return [written[i : i + sampling.samples] for i in range(0, len(written), sampling.samples)]


def _read(answer: Any) -> Completion:
    (output,) = answer.outputs
    if output.finish_reason not in ("stop", "length"):
        raise RuntimeError(f"vLLM gave up a completion ({output.finish_reason}) after {output.text[:200]!r}")
    return Completion(output.text.strip(), len(output.token_ids), output.finish_reason == "stop")
