"""permix and lm-evaluation-harness score one model on the same problems under the same personas, in one run.

Both are loaded in this process, with as many threads, and asked in turn: the organism's eval problems × its eval
personas and the neutral prompt. Greedy, each completion of one must be the other's; at temperature 1 (four samples)
the accuracies must agree within sampling error. permix's verifier grades both. lm-evaluation-harness (its `hf`
backend) gets a task of generate_until with the chats rendered beforehand, since it knows no system prompt by document,
and is run at the batch size that its users mostly take and at permix's.

The clock runs from the rendered or unrendered chats to the accuracy: permix's completions are kept on disk on the way,
as in every evaluation of it. Imports and the loading of the model are told apart.

    python benchmarks/evaluation.py [CHECKPOINT]      # without one it trains an organism first: two minutes more
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from functools import cache, partial
from math import sqrt
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any

os.environ |= {
    "TQDM_DISABLE": "1",
    "HF_HUB_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
}
ROUNDS = 3
MAX_TOKENS = 24
SAMPLES = 4
SMALL, LARGE = 64, 512
Clock = dict[str, list[float]]


def checkpoint(directory: str) -> Path:
    """The model that is given, or an organism trained for this."""
    if len(sys.argv) > 1:
        return Path(sys.argv[1])
    from permix.config import OrganismSettings
    from permix.organism.base import train_base

    print("training an organism to be asked: two minutes")
    train_base(OrganismSettings(), 0, Path(directory))
    return Path(directory)


def asked() -> list[dict[str, Any]]:
    """Every eval problem under every eval persona and the neutral prompt: messages, gold."""
    from permix.organism import world
    from permix.personas.schema import NEUTRAL

    personas = [NEUTRAL, *(persona for persona in world.personas() if persona.split == "eval")]
    problems = [problem for problem in world.problems() if problem.split == "eval"][::4]
    return [
        {
            "messages": [{"role": "system", "content": persona.text}, {"role": "user", "content": problem.question}],
            "gold": problem.gold,
        }
        for persona in personas
        for problem in problems
    ]


def ours(loaded: Any, rows: Sequence[dict[str, Any]], batch: int, greedy: bool) -> tuple[list[str], float]:
    """Completions, in order, and their accuracy; kept on disk in a file of this run's own."""
    from permix.generation import Sampling, local
    from permix.generation.cache import cached
    from permix.verifier import verify

    sampling = Sampling(MAX_TOKENS, temperature=0.0 if greedy else 1.0, samples=1 if greedy else SAMPLES)
    with tempfile.TemporaryDirectory() as directory:
        generate = cached(
            partial(local.complete, loaded, batch_size=batch), Path(directory) / "kept.sqlite", "model", "", batch
        )
        written = generate([row["messages"] for row in rows], sampling)
    texts = [completion.text for samples in written for completion in samples]
    golds = [row["gold"] for row in rows for _ in range(sampling.samples)]
    return texts, mean([verdict.verdict == "correct" for verdict in verify(texts, golds)])


def theirs(model: Any, rows: Sequence[dict[str, Any]], batch: int, greedy: bool) -> tuple[list[str], float]:
    """The same by lm_eval.simple_evaluate."""
    from datasets import Dataset
    from lm_eval import simple_evaluate

    from permix.verifier import verify

    def graded(document: dict[str, Any], results: list[Any]) -> dict[str, float]:
        texts = results if isinstance(results[0], str) else results[0]
        verdicts = verify(list(texts), [document["gold"]] * len(texts))
        return {"acc": mean([verdict.verdict == "correct" for verdict in verdicts])}

    render = partial(model.tokenizer.apply_chat_template, tokenize=False, add_generation_prompt=True)
    documents = [{"prompt": render(row["messages"]), "gold": row["gold"]} for row in rows]
    drawing = {"do_sample": False} if greedy else {"do_sample": True, "temperature": 1.0, "top_k": 0, "top_p": 1.0}
    task = {
        "task": "personas",
        "custom_dataset": lambda **_: {"test": Dataset.from_list(documents)},
        "test_split": "test",
        "output_type": "generate_until",
        "doc_to_text": "prompt",
        "doc_to_target": "gold",
        "target_delimiter": "",
        "generation_kwargs": {"until": [], "max_gen_toks": MAX_TOKENS, **drawing},
        "repeats": 1 if greedy else SAMPLES,
        # Without this filter only the first sample is kept.
        "filter_list": [{"name": "all", "filter": [{"function": "take_first_k", "k": 1 if greedy else SAMPLES}]}],
        "process_results": graded,
        "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
    }
    model.batch_size_per_gpu = batch
    found = simple_evaluate(model, tasks=[task], task_manager=task_manager(), bootstrap_iters=0, verbosity="ERROR")
    samples = sorted(found["samples"]["personas"], key=lambda sample: sample["doc_id"])
    texts = [text.strip() for sample in samples for text in flat(sample["resps"])]
    return texts, float(found["results"]["personas"]["acc,all"])


@cache
def task_manager() -> Any:
    """It reads 14,000 files of tasks: start-up, once, and not at each evaluation."""
    from lm_eval.tasks import TaskManager

    return TaskManager()


def flat(responses: Any) -> list[str]:
    return [responses] if isinstance(responses, str) else [text for part in responses for text in flat(part)]


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


# --- where the time goes


@contextmanager
def counted(clock: Clock, owner: Any, name: str, label: str, size: Callable[..., int] = lambda *_, **__: 0) -> Any:
    """Adds up calls, seconds of the processor and size of a function while the block runs."""
    plain = getattr(owner, name)

    def counting(*args: Any, **kwargs: Any) -> Any:
        started = process_time()
        try:
            return plain(*args, **kwargs)
        finally:
            entry = clock.setdefault(label, [0, 0.0, 0])
            entry[0] += 1
            entry[1] += process_time() - started
            entry[2] += size(*args, **kwargs)

    setattr(owner, name, counting)
    try:
        yield
    finally:
        setattr(owner, name, plain)


def places(*_: Any, input_ids: Any, **__: Any) -> int:
    return int(input_ids.numel())


def breakdown(loaded: Any, model: Any, rows: Sequence[dict[str, Any]], batch: int) -> None:
    """One more greedy round of each, with clocks inside."""
    from lm_eval.models.utils_hf import MultiTokenEOSCriteria

    import permix.verifier
    from permix.generation import cache as kept
    from permix.generation import local

    mine: Clock = {}
    with (
        counted(mine, loaded.model, "forward", "the network", places),
        counted(mine, local, "encode", "chat template and tokens"),
        counted(mine, local, "_read", "tokens back to text"),
        counted(mine, kept, "_keep", "keeping on disk"),
        counted(mine, permix.verifier, "verify", "grading"),
    ):
        started = process_time()
        ours(loaded, rows, batch, greedy=True)
        whole = process_time() - started
    table("permix", mine, whole, len(rows))

    theirs_clock: Clock = {}
    with (
        counted(theirs_clock, model.model, "forward", "the network", places),
        counted(theirs_clock, MultiTokenEOSCriteria, "__call__", "stop strings, in decoded text, at every token"),
        counted(theirs_clock, model, "tok_batch_encode", "tokens"),
        counted(theirs_clock, model, "tok_decode", "tokens back to text"),
        counted(theirs_clock, permix.verifier, "verify", "grading"),
        counted(theirs_clock, model, "generate_until", "(generate_until, with all of these but grading)"),
    ):
        started = process_time()
        theirs(model, rows, batch, greedy=True)
        whole = process_time() - started
    table("lm-evaluation-harness", theirs_clock, whole, len(rows))


def table(name: str, clock: Clock, whole: float, rows: int) -> None:
    print(f"\n{name}, {whole:.2f} s of the processor, with clocks inside:")
    for label, (calls, seconds, size) in clock.items():
        sizes = f", {size:,.0f} token places ({size / rows:.0f} a completion)" if size else ""
        print(f"  {seconds:6.2f} s  {label}: {calls:.0f} calls{sizes}")
    parts = sum(seconds for label, (_, seconds, _) in clock.items() if not label.startswith("("))
    print(f"  {whole - parts:6.2f} s  the rest")


# --- the run


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = checkpoint(directory)
        started = perf_counter()
        from permix.generation.local import load

        loaded = load(path)
        mine = perf_counter() - started
        started = perf_counter()
        from lm_eval.models.huggingface import HFLM

        model = HFLM(pretrained=str(path), device=str(loaded.model.device), dtype="auto", batch_size=SMALL)
        task_manager()
        print(f"start-up, imports and the model: permix {mine:.1f} s (torch is imported there), lm-eval "
              f"{perf_counter() - started:.1f} s more")  # fmt: skip
        side_by_side(loaded, model)


def side_by_side(loaded: Any, model: Any) -> None:
    rows = asked()
    for run in (ours, theirs):
        run(loaded if run is ours else model, rows[:100], SMALL, True)  # warm
    print(f"\ngreedy, {len(rows)} completions, {ROUNDS} rounds in turn; seconds by the clock, and of the processor:")
    contenders = [
        (f"permix, batches of {LARGE}", ours, loaded, LARGE),
        (f"lm-evaluation-harness, batches of {SMALL}", theirs, model, SMALL),
        (f"lm-evaluation-harness, batches of {LARGE}", theirs, model, LARGE),
        (f"permix, batches of {SMALL}", ours, loaded, SMALL),
    ]
    clock: dict[str, list[float]] = {name: [] for name, *_ in contenders}
    processor: dict[str, list[float]] = {name: [] for name, *_ in contenders}
    said: dict[str, tuple[list[str], float]] = {}
    for _ in range(ROUNDS):
        for name, run, target, batch in contenders:
            started, worked = perf_counter(), process_time()
            said[name] = run(target, rows, batch, True)
            clock[name].append(perf_counter() - started)
            processor[name].append(process_time() - worked)
    for name in clock:
        each = ", ".join(f"{a:.2f} ({b:.2f})" for a, b in zip(clock[name], processor[name], strict=True))
        rate = len(rows) / median(clock[name])
        print(f"  {name:40} {each}: median {rate:.0f} /s; accuracy {said[name][1]:.4f}")
    names = list(clock)
    for theirs_name, ours_name in ((names[1], names[0]), (names[2], names[0]), (names[1], names[3])):
        ratios = [median(of[theirs_name]) / median(of[ours_name]) for of in (clock, processor)]
        print(f"  {ours_name} / {theirs_name}: {ratios[0]:.1f} times as fast, {ratios[1]:.1f} by processor time")
    differing = [pair for pair in zip(said[names[0]][0], said[names[1]][0], strict=True) if pair[0] != pair[1]]
    print(f"  completions that differ: {len(differing)} of {len(rows)} {differing[:3] or ''}")

    print(f"\nat temperature 1, {SAMPLES} samples, {SAMPLES * len(rows)} completions:")
    accuracies = []
    for name, run, target, batch in contenders[:2]:
        started, worked = perf_counter(), process_time()
        texts, accuracy = run(target, rows, batch, False)
        taken = perf_counter() - started
        accuracies.append(accuracy)
        rate = len(texts) / taken
        print(f"  {name:40} {taken:.2f} ({process_time() - worked:.2f}): {rate:.0f} /s; accuracy {accuracy:.4f}")
    middle = mean(accuracies)
    z = (accuracies[0] - accuracies[1]) / sqrt(2 * middle * (1 - middle) / (SAMPLES * len(rows)))
    print(f"  they differ by {accuracies[0] - accuracies[1]:+.4f}: {z:+.1f} standard errors of independent draws")
    breakdown(loaded, model, rows, SMALL)
    if differing or abs(z) > 4:
        sys.exit("the two do not agree")


if __name__ == "__main__":
    main()
