"""Every completion of an evaluation with its verdict: the rows of `completions.parquet`.

The scorecard is made of these rows alone, so that two models can be compared later, problem by problem.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Literal

import numpy as np

from permix.personas.schema import NEUTRAL
from permix.stability.outcomes import Outcomes

COMPLETIONS = "completions.parquet"
Task = Literal["problem", "greedy", "paraphrase", "roleplay"]


@dataclass(frozen=True)
class Answer:
    """One completion and what was made of it."""

    task: Task
    """`problem`: sampled; `greedy`: a problem at temperature 0, without a persona; `paraphrase`: a problem, sampled,
    under the neutral prompt or another wording of it in the persona's place; `roleplay`: no right answer."""
    item: str
    """Id of the problem; the question itself in role-play."""
    persona: str
    """Id; `neutral` is none."""
    kind: str
    sample: int
    """From 0."""
    question: str
    completion: str
    tokens: int
    finished: bool
    """Whether the model ended it; else it was cut."""
    gold: str | None = None
    verdict: str | None = None
    """correct, incorrect or ungradable; None in role-play."""
    answer: str | None = None
    """What the verifier read as the answer."""
    place: str | None = None
    """Where the answer stood (`boxed`, `number`, ...); None where none was found."""
    reason: str | None = None
    """Why the verdict."""
    voice: float | None = None
    """The judge's score of the persona's voice; None where it knows none."""


def write_answers(answers: Iterable[Answer], directory: Path) -> Path:
    """Write `completions.parquet`; returns its path."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {"str": pa.string(), "int": pa.int64(), "bool": pa.bool_(), "float": pa.float64()}
    schema = pa.schema([(f.name, types.get(str(f.type).removesuffix(" | None"), pa.string())) for f in fields(Answer)])
    path = directory / COMPLETIONS
    pq.write_table(pa.Table.from_pylist([asdict(answer) for answer in answers], schema=schema), path)
    return path


def read_answers(directory: Path | str) -> list[Answer]:
    """Read `completions.parquet`; raises FileNotFoundError where there is none."""
    import pyarrow.parquet as pq

    return [Answer(**row) for row in pq.read_table(Path(directory) / COMPLETIONS).to_pylist()]


def voice_means(answers: Sequence[Answer], task: str) -> dict[str, float]:
    """Mean voice of each persona that was scored in a task, by persona id."""
    scores: dict[str, list[float]] = {}
    for answer in answers:
        if answer.task == task and answer.voice is not None:
            scores.setdefault(answer.persona, []).append(answer.voice)
    return {persona: float(np.mean(values)) for persona, values in sorted(scores.items())}


def ungradable(answers: Sequence[Answer]) -> list[Answer]:
    """The rows whose gold is at fault."""
    return [answer for answer in answers if answer.verdict == "ungradable"]


def is_correct(answer: Answer) -> bool:
    """Whether the completion holds the right answer."""
    return answer.verdict == "correct"


def is_answered(answer: Answer) -> bool:
    """Whether an answer was found in the completion, right or wrong."""
    return answer.place is not None


def outcomes(
    answers: Sequence[Answer],
    uneven: bool = False,
    task: Task = "problem",
    holds: Callable[[Answer], bool] = is_correct,
) -> Outcomes:
    """Who solved what, from the sampled problem rows; problems and personas by id. Or of whom something else `holds`.

    For the task `paraphrase`, the wordings stand for the personas.

    A problem with an ungradable row is left out under every persona, so that all face the same problems. `uneven` is
    for an adaptive evaluation, in which of any two personas one was asked all that the other was. Raises ValueError
    where nothing is left, or a row is missing or doubled.
    """
    left_out = {answer.item for answer in ungradable(answers)}
    rows = [answer for answer in answers if answer.task == task and answer.item not in left_out]
    if not rows:
        raise ValueError(f"no problem can be graded: {len(left_out)} have an ungradable gold")
    problems = sorted({row.item for row in rows})
    personas = [NEUTRAL.id, *sorted({row.persona for row in rows} - {NEUTRAL.id})]
    samples = 1 + max(row.sample for row in rows)
    problem_at = {item: i for i, item in enumerate(problems)}
    persona_at = {persona: i for i, persona in enumerate(personas)}
    correct = np.full((len(problems), len(personas), samples), np.nan)
    for row in rows:
        correct[problem_at[row.item], persona_at[row.persona], row.sample] = holds(row)
    asked = np.isfinite(correct)
    if asked.sum() != len(rows) or not (_nested(asked) if uneven else asked.all()):
        need = (
            "a persona may have been asked less than another, but nothing else, and nothing twice"
            if uneven
            else "every problem needs every persona and sample, once"
        )
        raise ValueError(
            f"{len(rows)} rows for {len(problems)} problems × {len(personas)} personas × {samples} samples: {need}"
        )
    return Outcomes(tuple(problems), tuple(personas[1:]), correct[:, 1:], correct[:, 0])


def _nested(asked: np.ndarray) -> bool:
    """Whether of any two personas one was asked all that the other was; `asked` is (problems, personas, samples)."""
    cells = asked.transpose(1, 0, 2).reshape(asked.shape[1], -1)
    order = cells.sum(axis=1).argsort(kind="stable")
    return bool((cells[order[:-1]] <= cells[order[1:]]).all())
