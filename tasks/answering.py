"""A model's answers: whatever runs it, kept on disk as they come, and shown as they grow."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import mlflow
from prefect import get_run_logger

from permix.config import EvaluationSettings, digest
from permix.evaluation.answers import Answer
from permix.evaluation.evaluate import ask
from permix.evaluation.protocol import Protocol
from permix.generation import Chat, Completion, Generate, Sampling
from permix.generation.cache import COMPLETIONS, cached
from permix.workspace import workspace
from tasks.given import checkpoint, served
from tasks.progress import progress_shown
from tasks.stage import StageResult, code_digest


@dataclass(frozen=True)
class Running:
    """A model that can be asked."""

    generate: Generate
    drawn_by: str
    """Digest of what its completions follow from, besides what it is asked."""
    template: str
    """Its chat template; empty where a server applies its own."""
    organism: bool
    """Whether it speaks the organism's language, which is all that the organism's judge of voices can hear."""


def run_model(policy: StageResult, settings: EvaluationSettings) -> Running:
    """Load the model, or turn to its server. Raises ValueError where it is no model that can be asked."""
    if (known := served(policy)) is not None:
        from permix.generation import server

        place = server.Server(
            known.url,
            known.model,
            concurrency=settings.server.concurrency,
            timeout=settings.server.timeout,
            retries=settings.server.retries,
            key_variable=settings.server.api_key_env,
        )

        def asked(prompts: Sequence[Chat], sampling: Sampling) -> list[list[Completion]]:
            return server.complete(place, prompts, sampling)

        return Running(asked, digest(policy.digest, code_digest("generation")), "", organism=False)
    # With these comes torch, which a flow that only reuses results never needs.
    if settings.backend == "vllm":
        return _in_vllm(policy)
    from permix.generation.local import complete, load
    from permix.organism.tokenizer import build_tokenizer

    loaded = load(checkpoint(policy))

    def written(prompts: Sequence[Chat], sampling: Sampling) -> list[list[Completion]]:
        return complete(loaded, prompts, sampling, settings.batch_size)

    return Running(
        written,
        # Besides the weights, a completion follows from the code that draws it and from how its numbers are rounded.
        digest([policy.digest, code_digest("generation"), loaded.model.device.type, str(loaded.model.dtype)]),
        str(loaded.tokenizer.chat_template),
        organism=loaded.tokenizer.get_vocab() == build_tokenizer().get_vocab(),
    )


def _in_vllm(policy: StageResult) -> Running:
    from permix.generation.vllm import complete, load
    from permix.organism.tokenizer import build_tokenizer

    engine = load(checkpoint(policy))

    def written(prompts: Sequence[Chat], sampling: Sampling) -> list[list[Completion]]:
        return complete(engine, prompts, sampling)

    return Running(
        written,
        digest([policy.digest, code_digest("generation"), "vllm"]),
        str(engine.tokenizer.chat_template),
        organism=engine.tokenizer.get_vocab() == build_tokenizer().get_vocab(),
    )


def ask_model(model: Running, protocol: Protocol, settings: EvaluationSettings, label: str) -> list[Answer]:
    """The model's answers; shows how far they are. What an earlier run of the workspace generated is taken up."""
    started = time.monotonic()
    done = 0
    generated = 0
    with progress_shown(f"evaluate-{label}", f"{label} under every persona", "completions") as show:

        def generate(prompts: Sequence[Chat], sampling: Sampling) -> list[list[Completion]]:
            nonlocal generated
            generated += len(prompts) * sampling.samples
            return model.generate(prompts, sampling)

        def remembered(prompts: Sequence[Chat], sampling: Sampling) -> list[list[Completion]]:
            nonlocal done
            before = done

            def report(written: int, _: int) -> None:
                nonlocal done
                done = before + written
                show(done, protocol.completions, f"{done / (time.monotonic() - started):.0f} a second")

            kept = workspace() / "completions" / COMPLETIONS
            return cached(generate, kept, model.drawn_by, model.template, settings.batch_size, report)(
                prompts, sampling
            )

        answers = ask(remembered, protocol)
        if done < protocol.completions:
            # An adaptive evaluation stops when it knows enough.
            show(done, done, "enough")
    seconds = time.monotonic() - started
    get_run_logger().info(
        "%s: %d completions judged in %.1f s, %d of them written now", label, len(answers), seconds, generated
    )
    mlflow.log_metrics({"seconds": seconds, "completions": len(answers), "completions_generated": generated})
    return answers
