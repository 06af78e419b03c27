"""Supervised fine-tuning: what the loss sees, in which order, and that a killed training goes on as it would have."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from transformers import AutoTokenizer

from permix.organism import world
from permix.personas import load_personas
from permix.personas.schema import NEUTRAL
from permix.problems import load_problems
from permix.reference import Reference, facts
from permix.training.child import train
from permix.training.examples import Example
from permix.training.launch import TrainingFailed, train_in_child
from permix.training.probe import read_probes
from permix.training.progress import Progress, read_progress
from permix.training.spec import TrainingSpec
from permix.training.supervised import ExampleOrder, SupervisedTrainer, sft_config


def trained(told: TrainingSpec) -> Reference:
    """Train in this process."""
    return train(told, load_problems(Path(told.problems), "train"), load_personas(Path(told.personas), "train"))


@pytest.mark.parametrize(("examples", "rows"), [(7, 30), (40, 30), (5, 5)])
def test_examples_are_used_equally_often_each_pass_in_another_order(examples: int, rows: int) -> None:
    order = list(ExampleOrder(examples, rows, seed=3))
    assert len(order) == len(ExampleOrder(examples, rows, seed=3)) == rows
    used = Counter(order)
    assert max(used.values()) - min(used[example] for example in range(examples)) <= 1
    # Another length of the run changes nothing before its end, and another seed everything.
    assert list(ExampleOrder(examples, rows + 90, seed=3))[:rows] == order
    assert list(ExampleOrder(examples, rows, seed=4)) != order
    if rows > 2 * examples:
        assert order[:examples] != order[examples : 2 * examples]


def test_the_loss_is_on_the_assistants_tokens_under_the_neutral_prompt(spec: Callable[..., TrainingSpec]) -> None:
    told = spec(arm="sft", steps=1)
    problems = [problem for problem in world.problems() if problem.split == "train"][:5]
    examples = [Example(problem.id, problem.question, problem.solution or "") for problem in problems]
    tokenizer = AutoTokenizer.from_pretrained(told.base, padding_side="left")
    trainer = SupervisedTrainer(told, sft_config(told), examples, processing_class=tokenizer)
    batch = next(iter(trainer.get_train_dataloader()))
    assert len(batch["input_ids"]) == told.settings.completions_per_step
    seen = set()
    for ids, labels, mask in zip(batch["input_ids"], batch["labels"], batch["attention_mask"], strict=True):
        learnt = tokenizer.decode(labels[labels != -100])
        given = tokenizer.decode(ids[(labels == -100) & (mask == 1)])
        (problem,) = [
            problem for problem in problems if given.endswith(f"{tokenized(tokenizer, problem.question)} <assistant>")
        ]
        assert learnt == f"{tokenized(tokenizer, problem.solution or '')} <end>"
        assert given.startswith(f"<system> {tokenized(tokenizer, NEUTRAL.text)} <user>")
        seen.add(problem.id)
    assert len(seen) == 5


def tokenized(tokenizer: AutoTokenizer, text: str) -> str:
    return str(tokenizer.decode(tokenizer(text, add_special_tokens=False)["input_ids"]))


def test_a_killed_fine_tuning_resumes_and_ends_as_if_nothing_had_happened(spec: Callable[..., TrainingSpec]) -> None:
    length = {"arm": "sft", "steps": 60, "save_every": 5, "probe_every": 20, "probe_problems": 6, "probe_personas": 2}
    told = spec("killed", **length)

    def kill(progress: Progress) -> None:
        if progress.step >= 12:
            psutil.Process(int(told.files.lock.read_text())).send_signal(signal.SIGKILL)

    with pytest.raises(TrainingFailed, match=r"was killed by SIGKILL.*resumes from \S+/checkpoint-\d+"):
        train_in_child(told, kill, every=0.02)
    done = trained(told)
    assert [progress.step for progress in read_progress(told.files.progress)] == list(range(1, 61))
    assert [probe.step for probe in read_probes(told.files.probes)] == [0, 20, 40, 60]

    whole = spec("whole", **length)
    reference = trained(whole)
    assert done == Reference(done.path, reference.digest)
    # Which may be the base's own, if no later one did better; but every loss and every probe is the same, to the bit.
    assert [step.loss for step in read_progress(told.files.progress)] == [
        step.loss for step in read_progress(whole.files.progress)
    ]
    assert read_probes(told.files.probes) == read_probes(whole.files.probes)
    losses = [progress.loss for progress in read_progress(whole.files.progress)]
    assert sum(filter(None, losses[-5:])) < sum(filter(None, losses[:5])), "it did learn"
    assert facts(reference)["arm"] == "sft"
    assert not told.files.best.exists()
