"""PersonaGym's questions and rubrics (Samuel et al., arXiv 2407.18416), or a set of one's own in the same format.

A directory holds one `*.jsonl` file, a line `{"persona": ..., "questions": {task: [...]}}` for each persona, and
`rubrics/<task>.txt` (lower case, underscores) with the slots `{persona}`, `{question}`, `{response}` and, if it likes,
`{score_example}`. All five tasks are needed. `permix/fidelity/judging/personagym` is a small set of our own.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from permix.config import JudgingSettings, digest
from permix.generation.completion import Chat

TASKS = ("Expected Action", "Toxicity", "Linguistic Habits", "Persona Consistency", "Action Justification")
OWN_SET = Path(__file__).parent / "personagym"
SLOTS = ("persona", "question", "response")


@dataclass(frozen=True)
class Question:
    """Asked of a persona, to see how it does in one task."""

    persona: str
    """Its description, as in "A 30-year-old chef from Paris"."""
    task: str
    text: str

    @property
    def chat(self) -> Chat:
        """The question put to a model under the persona; the system prompt is PersonaGym's."""
        identity = f"Adopt the identity of {self.persona}. "
        manner = "Answer the questions while staying in strict accordance with the nature of this identity."
        return [{"role": "system", "content": identity + manner}, {"role": "user", "content": self.text}]


@dataclass(frozen=True)
class Benchmark:
    """Questions, and how their answers are to be judged."""

    questions: tuple[Question, ...]
    rubrics: Mapping[str, str]
    """By task, with their slots."""

    @property
    def digest(self) -> str:
        """Equal for two sets that ask and judge the same."""
        return digest([asdict(question) for question in self.questions], dict(self.rubrics))

    def of(self, personas: int, questions_per_task: int | None = None) -> Benchmark:
        """The first so many questions of each task of the first so many personas; all, where there are fewer."""
        names = dict.fromkeys(list(dict.fromkeys(question.persona for question in self.questions))[:personas])
        taken: Counter[tuple[str, str]] = Counter()
        kept = []
        for question in self.questions:
            taken[question.persona, question.task] += 1
            number = taken[question.persona, question.task]
            if question.persona in names and (questions_per_task is None or number <= questions_per_task):
                kept.append(question)
        return Benchmark(tuple(kept), self.rubrics)

    def rubric(self, question: Question, response: str, examples: str) -> str:
        """What a judge of the response is asked; `examples` are example responses for each score."""
        values = {"persona": question.persona, "question": question.text}
        return fill(self.rubrics[question.task], {**values, "response": response, "score_example": examples})


def read_benchmark(directory: Path | str) -> Benchmark:
    """Read a set of questions and rubrics. Raises ValueError naming the file, the line, and what is wrong with it."""
    directory = Path(directory)
    files = sorted(directory.glob("*.jsonl"))
    if len(files) != 1:
        raise ValueError(f"{directory} must hold one *.jsonl file of questions, not {len(files)}")
    questions: dict[Question, None] = {}
    lines = files[0].read_text(encoding="utf-8").split("\n")
    for number, line in enumerate(lines, start=1):
        if line.strip():
            for question in _read_line(line, where=f"{files[0]}, line {number}"):
                if question in questions:
                    raise ValueError(f"{files[0]}, line {number}: {question.text!r} is there already for this persona")
                questions[question] = None
    if not questions:
        raise ValueError(f"{files[0]} holds no questions")
    return Benchmark(tuple(questions), {task: _read_rubric(directory, task) for task in TASKS})


def benchmark_of(settings: JudgingSettings) -> Benchmark:
    """The questions that a profile asks, with their rubrics. Raises ValueError as `read_benchmark` does."""
    directory = OWN_SET if settings.questions == "permix" else Path(settings.questions)
    return read_benchmark(directory).of(settings.personas, settings.questions_per_task)


def fill(template: str, values: Mapping[str, str]) -> str:
    """The template with each `{slot}` replaced; other braces stay.

    In one pass, because what a model wrote may hold braces, and even the name of a slot.
    """
    return re.sub(r"\{(\w+)\}", lambda slot: values.get(slot[1], slot[0]), template)


def _read_line(line: str, where: str) -> list[Question]:
    try:
        row: Any = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"{where}: not JSON: {error}") from error
    if not isinstance(row, dict) or not _is_text(row.get("persona")) or not isinstance(row.get("questions"), dict):
        raise ValueError(f'{where}: expected {{"persona": "...", "questions": {{task: ["..."]}}}}')
    if set(row["questions"]) != set(TASKS):
        raise ValueError(f"{where}: has the tasks {', '.join(row['questions'])}; needed: {', '.join(TASKS)}")
    for task, texts in row["questions"].items():
        if not isinstance(texts, list) or not texts or not all(map(_is_text, texts)):
            raise ValueError(f"{where}: {task} must be a list of questions, none of them empty")
    return [Question(row["persona"], task, text) for task in TASKS for text in row["questions"][task]]


def _read_rubric(directory: Path, task: str) -> str:
    file = directory / "rubrics" / f"{task.lower().replace(' ', '_')}.txt"
    if not file.is_file():
        raise ValueError(f"{file} is missing: the rubric by which {task} is judged")
    rubric = file.read_text(encoding="utf-8")
    lacking = [f"{{{slot}}}" for slot in SLOTS if f"{{{slot}}}" not in rubric]
    if lacking:
        raise ValueError(f"{file} lacks {', '.join(lacking)}, without which the judge does not see what it judges")
    return rubric


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())
