"""Which problems are fit to train and evaluate on, and why the others are not. Pure: rows in, rows and rejects out.

Row by row, so that a million pass through: of what has passed only a digest and the gold are held, and the word runs of
eval problems. What takes the whole set is elsewhere: near-copies (`permix.problems.near`) and the band of difficulty
(`tasks.difficulty`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice, tee

from permix.config import ArithmeticProblems, ProblemSettings
from permix.curation.markers import Markers
from permix.curation.rejects import Reject
from permix.curation.text import normalised
from permix.curation.tokens import CountTokens
from permix.each import Each
from permix.problems.golds import gold_faults, same_gold
from permix.problems.overlap import OverlapIndex
from permix.problems.schema import Problem

BATCH = 1024
"""Rows whose golds are verified, and tokens counted, at once."""


def curate_problems(
    rows: Iterable[Problem | Reject],
    settings: ProblemSettings,
    markers: Markers | None = None,
    count_tokens: CountTokens | None = None,
    each: Each = map,
) -> Iterator[Problem | Reject]:
    """Each row, kept as it is or as a Reject; rows that were rejected in reading stay so. Order of rows is kept.

    A row gets the first reason that holds: `empty question`, `too long` (in characters, or, where `count_tokens` is
    given, in tokens), `chat marker`, `no gold`, `unverifiable gold`, `solution disagrees`, `contaminated` (a training
    problem that is, or shares a run of `settings.overlap_ngram` words with, a kept eval problem), `conflicting gold`
    and `duplicate` (of the same split), `duplicate id`.

    Eval problems decide which training problems may stay, so they come first; raises ValueError where one does not.

    With `each`, what is wrong with rows by themselves (up to `solution disagrees`) may be found elsewhere, several
    batches at a time; what takes the rows before them is found here.
    """
    batches, same_batches = tee(_batches(rows))
    faults_each = each(partial(_faults, settings, markers or Markers(), count_tokens), batches)
    seen = _Seen(
        OverlapIndex(settings.overlap_ngram),
        disjoint=frozenset(source.name for source in settings.sources if isinstance(source, ArithmeticProblems)),
    )
    for batch, faults in zip(same_batches, faults_each, strict=True):
        for row, fault in zip(batch, faults, strict=True):
            if isinstance(row, Reject):
                yield row
            else:
                yield _reject(row, *fault) if fault else seen.clash(row) or row


def _batches(rows: Iterable[Problem | Reject]) -> Iterator[list[Problem | Reject]]:
    stream = iter(rows)
    while batch := list(islice(stream, BATCH)):
        yield batch


def _faults(
    settings: ProblemSettings, markers: Markers, count_tokens: CountTokens | None, batch: Sequence[Problem | Reject]
) -> list[tuple[str, str] | None]:
    """Reason and detail of what is wrong with each row by itself; None where nothing is."""
    problems = [row for row in batch if isinstance(row, Problem)]
    lengths = count_tokens([problem.question for problem in problems]) if count_tokens else [0] * len(problems)
    faults = [_fault(problem, length, settings, markers) for problem, length in zip(problems, lengths, strict=True)]
    golds = iter(gold_faults([problem for problem, fault in zip(problems, faults, strict=True) if fault is None]))
    found = iter([fault or next(golds) for fault in faults])
    return [next(found) if isinstance(row, Problem) else None for row in batch]


def _fault(problem: Problem, tokens: int, settings: ProblemSettings, markers: Markers) -> tuple[str, str] | None:
    if not problem.question.strip():
        return "empty question", "there is nothing to solve"
    if len(problem.question) > settings.max_question_chars:
        return "too long", f"{len(problem.question)} characters; at most {settings.max_question_chars}"
    if tokens > settings.max_question_tokens:
        return "too long", f"{tokens} of the model's tokens; at most {settings.max_question_tokens}"
    if (marker := markers.find(problem.question)) is not None:
        return "chat marker", f"holds {marker}, which a chat template takes for its own"
    if not problem.gold.strip():
        return "no gold", "its gold column holds no answer in the form that the profile names (gold_format)"
    return None


@dataclass
class _Seen:
    """What later problems are compared with."""

    overlap: OverlapIndex
    disjoint: frozenset[str]
    """Sources whose splits share no problem by construction, though they share wordings: no run of words tells."""
    ids: set[str] = field(default_factory=set)
    eval_questions: dict[bytes, tuple[str, str]] = field(default_factory=dict)
    """Id and gold by a digest of the normalised question: a million questions would not fit, a million digests do."""
    train_questions: dict[bytes, tuple[str, str]] = field(default_factory=dict)

    def clash(self, problem: Problem) -> Reject | None:
        """The rejection of a problem that repeats another or overlaps with one; without one, it is taken up."""
        if problem.split == "eval" and self.train_questions:
            raise ValueError(f"the eval problem {problem.id} comes after training problems; eval problems come first")
        question = hashlib.blake2b(normalised(problem.question).encode(), digest_size=16).digest()
        if problem.split == "train" and (same := self.eval_questions.get(question)) is not None:
            return _reject(problem, "contaminated", f"the same question as {same[0]}", same[0], 1.0)
        own = self.eval_questions if problem.split == "eval" else self.train_questions
        if (same := own.get(question)) is not None:
            other, gold = same
            if not same_gold(problem.gold, gold):
                detail = f"the same question as {other}, which has the gold {gold!r}, not {problem.gold!r}"
                return _reject(problem, "conflicting gold", detail, other, 1.0)
            return _reject(problem, "duplicate", f"the same question as {other}", other, 1.0)
        if problem.split == "train" and (clash := self._overlap(problem)) is not None:
            return clash
        if problem.id in self.ids:
            return _reject(problem, "duplicate id", "another problem has this id already", problem.id)
        self.ids.add(problem.id)
        own[question] = (problem.id, problem.gold)
        if problem.split == "eval":
            self.overlap.add(problem)
        return None

    def _overlap(self, problem: Problem) -> Reject | None:
        return None if problem.source in self.disjoint else self.overlap.clash(problem)


def _reject(problem: Problem, reason: str, detail: str, other: str = "", share: float = 0.0) -> Reject:
    return Reject(problem.id, problem.source, problem.split, reason, detail, problem.question, other, share)
