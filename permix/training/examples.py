"""What the supervised arms learn from: answers to the training problems that the verifier finds right.

`sft` takes the problems' reference solutions, `distillation` a teacher's completions under the neutral prompt. Both
are verified, so that no arm is taught a wrong answer or an answer in a form that nobody will grade. They are written
beside the training's other files before it starts: a resumed training finds them as they were.

Nothing here sees a persona, a voice or a manner: questions, golds, and answers to the neutral prompt are all.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from permix.curation.store import read_rows, to_table
from permix.generation import Completion, Sampling
from permix.personas.chat import chat
from permix.personas.schema import NEUTRAL
from permix.problems.schema import Problem
from permix.reference import Reference, facts, finish, finished
from permix.training.spec import TrainingSpec
from permix.verifier import verify

SHOWN = 5
"""Problems named in a message."""

TokenCount = Callable[[str], int]
"""Tokens of an answer, its end included."""


class NoExamples(ValueError):
    """There is nothing to learn from; the message says why, and what to change."""


@dataclass(frozen=True)
class Example:
    """A question and an answer that the verifier finds right."""

    problem: str
    question: str
    answer: str


@dataclass(frozen=True)
class Refused:
    """An answer that is not learnt from."""

    problem: str
    answer: str
    reason: str
    """`no solution`, `cut`, `too long`, `the same again`, `incorrect` or `ungradable`."""
    detail: str
    """The verifier's reason; empty for the others."""


@dataclass(frozen=True)
class Examples:
    """Answers sorted into those to learn from and the others."""

    kept: list[Example]
    refused: list[Refused]

    def counts(self) -> dict[str, int]:
        """How many answers were kept, for how many problems, and how many were refused for each reason."""
        refused = Counter(f"refused: {answer.reason}" for answer in self.refused)
        return {"kept": len(self.kept), "problems": len({kept.problem for kept in self.kept}), **refused}


def make_examples(spec: TrainingSpec, problems: Sequence[Problem], count: TokenCount) -> Reference:
    """Write the examples of this training, with what was refused; what is there already is left as it is.

    Raises NoExamples where no answer is left to learn from, and where a problem of the sft arm has no solution.
    """
    files = spec.files
    if (done := finished(files.examples)) is not None:
        return done
    if spec.settings.arm == "sft":
        examples = sort_answers([(problem, problem.solution or "") for problem in solved(problems)], spec, count)
    else:
        written = ask_teacher(spec, problems)
        cut = [
            Refused(problem.id, completion.text, "cut", "")
            for problem, completions in zip(problems, written, strict=True)
            for completion in completions
            if not completion.finished
        ]
        answers = [
            (problem, completion.text)
            for problem, completions in zip(problems, written, strict=True)
            for completion in completions
            if completion.finished
        ]
        examples = sort_answers(answers, spec, count)
        examples = Examples(examples.kept, cut + examples.refused)
    if not examples.kept:
        raise NoExamples(f"the {spec.settings.arm} arm has nothing to learn from: {_told(examples.counts())}")
    return _write(spec, examples)


def solved(problems: Sequence[Problem]) -> Sequence[Problem]:
    """The problems, all of which have a solution. Raises NoExamples naming some that have none."""
    lacking = [problem.id for problem in problems if not (problem.solution or "").strip()]
    if lacking:
        named = ", ".join(lacking[:SHOWN]) + (", ..." if len(lacking) > SHOWN else "")
        raise NoExamples(
            f"training.arm: sft learns reference solutions, and {len(lacking)} of {len(problems)} training problems "
            f"have none ({named}): name the column that holds them (solution, in problems.sources), leave that "
            "source out, or set training.arm: distillation"
        )
    return problems


def sort_answers(answers: Sequence[tuple[Problem, str]], spec: TrainingSpec, count: TokenCount) -> Examples:
    """Keep the answers that are right, not too long to be given, and said for the first time."""
    kept: list[Example] = []
    refused: list[Refused] = []
    seen: set[tuple[str, str]] = set()
    verdicts = verify([text for _, text in answers], [problem.gold for problem, _ in answers], spec.answers.read)
    for (problem, text), verdict in zip(answers, verdicts, strict=True):
        if verdict.verdict != "correct":
            refused.append(Refused(problem.id, text, verdict.verdict, verdict.reason))
        elif (tokens := count(text)) > spec.settings.max_completion_tokens:
            refused.append(Refused(problem.id, text, "too long", f"{tokens} tokens"))
        elif (problem.id, text) in seen:
            refused.append(Refused(problem.id, text, "the same again", ""))
        else:
            seen.add((problem.id, text))
            kept.append(Example(problem.id, problem.question, text))
    return Examples(kept, refused)


def ask_teacher(spec: TrainingSpec, problems: Sequence[Problem]) -> list[list[Completion]]:
    """The teacher's completions of each problem, in order; those that a killed training has already are kept."""
    import torch

    from permix.generation.cache import cached
    from permix.generation.local import complete, load

    settings = spec.settings
    teacher = load(spec.teacher or spec.base)
    sampling = Sampling(
        max_tokens=settings.max_completion_tokens,
        temperature=settings.temperature,
        samples=settings.teacher_samples,
        seed=spec.seed,
    )
    together = settings.completions_per_step
    ask = cached(
        partial(complete, teacher, batch_size=together),
        spec.files.teacher,
        model=spec.teacher or spec.base,
        template=str(teacher.tokenizer.chat_template),
        together=together,
        report=_reporter(),
    )
    written = ask([chat(NEUTRAL, spec.answers.asked(problem.question)) for problem in problems], sampling)
    del teacher, ask
    torch.cuda.empty_cache()
    return written


def load_examples(spec: TrainingSpec) -> list[Example]:
    """The examples to learn from, in their order."""
    return [Example(**row) for row in read_rows(spec.files.examples / "kept.parquet")]


def wait_for_examples(spec: TrainingSpec, every: float = 1.0) -> None:
    """Wait until another process of this training has written them; it ends this one if it fails."""
    while finished(spec.files.examples) is None:
        time.sleep(every)


def _write(spec: TrainingSpec, examples: Examples) -> Reference:
    import pyarrow.parquet as pq

    home = spec.files.examples
    home.mkdir(parents=True, exist_ok=True)
    for name, rows, kind in (("kept", examples.kept, Example), ("refused", examples.refused, Refused)):
        table = to_table([vars(row) for row in rows], dict.fromkeys(kind.__dataclass_fields__, "string"))
        pq.write_table(table, home / f"{name}.parquet", compression="zstd", store_schema=False)
    reference = finish(home, arm=spec.settings.arm, counts=examples.counts())
    print(f"examples of the {spec.settings.arm} arm: {_told(facts(reference)['counts'])}", flush=True)
    return reference


def _told(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())


def _reporter() -> Callable[[int, int], None]:
    """Tell the log of every tenth of the teacher's completions."""
    told = 0

    def report(done: int, total: int) -> None:
        nonlocal told
        if done * 10 // max(total, 1) > told:
            told = done * 10 // total
            print(f"teacher: {done} of {total} completions", flush=True)

    return report
