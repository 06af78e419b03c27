"""Which problems are fit to train and evaluate on, and why the others are not. Pure: rows in, rows and rejects out.

Left out: near-duplicates within a split, lengths in tokens, difficulty bands (issue 7).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from permix.config import ProblemSettings
from permix.curation.markers import Markers
from permix.curation.rejects import Curation, Reject
from permix.curation.text import normalised, runs, words
from permix.problems.schema import Problem
from permix.verifier import gold_reason, verify


def curate_problems(
    rows: Iterable[Problem | Reject], settings: ProblemSettings, markers: Markers | None = None
) -> Curation[Problem]:
    """Sort problems into kept and rejected; rows that were rejected in reading stay so. Order of rows is kept.

    A row gets the first reason that holds: `empty question`, `too long`, `chat marker`, `no gold`,
    `unverifiable gold`, `duplicate id`, `contaminated` (a training problem that is, or shares a run of
    `settings.overlap_ngram` words with, a kept eval problem), `conflicting gold` and `duplicate` (of the same split).
    """
    markers = markers or Markers()
    read = list(rows)
    problems = [row for row in read if isinstance(row, Problem)]
    rejects = [row for row in read if isinstance(row, Reject)]

    fit: list[Problem] = []
    for problem in problems:
        fault = _fault(problem, settings, markers)
        if fault:
            rejects.append(_reject(problem, *fault))
        else:
            fit.append(problem)

    verifiable: list[Problem] = []
    for problem, reason in zip(fit, _gold_faults([problem.gold for problem in fit]), strict=True):
        if reason:
            rejects.append(_reject(problem, "unverifiable gold", f"{problem.gold!r}: {reason}"))
        else:
            verifiable.append(problem)

    # Eval first: its problems decide which training problems may stay, wherever they stand among the sources.
    seen = _Seen()
    overlap = OverlapIndex(settings.overlap_ngram)
    for problem in sorted(verifiable, key=lambda problem: problem.split != "eval"):
        clash = seen.clash(problem)
        if clash is None and problem.split == "train":
            clash = overlap.clash(problem)
        if clash is not None:
            rejects.append(clash)
            continue
        seen.add(problem)
        if problem.split == "eval":
            overlap.add(problem)
    return Curation([problem for problem in verifiable if seen.ids.get(problem.id) is problem], rejects)


@dataclass
class OverlapIndex:
    """The word runs of eval problems, to find training problems that share one."""

    length: int
    """Words in a run."""
    holders: dict[tuple[str, ...], list[Problem]] = field(default_factory=dict)
    """Which problems hold a run."""

    def add(self, problem: Problem) -> None:
        """Take up an eval problem."""
        for run in set(runs(problem.question, self.length)):
            self.holders.setdefault(run, []).append(problem)

    def clash(self, problem: Problem) -> Reject | None:
        """The rejection of a problem that shares a run with an eval problem; it names the one that shares most."""
        found = runs(problem.question, self.length)
        holders = Counter(holder.id for run in found for holder in self.holders.get(run, ()))
        if not holders:
            return None
        other, shared = max(holders.items(), key=lambda item: (item[1], item[0]))
        held = [any(holder.id == other for holder in self.holders.get(run, ())) for run in found]
        start, length = _longest(held)
        phrase = " ".join(words(problem.question)[start : start + length + self.length - 1])
        share = shared / len(found)
        detail = f"{share:.0%} of its {self.length}-word runs stand in {other}; the longest: {phrase!r}"
        return _reject(problem, "contaminated", detail, other, share)


@dataclass
class _Seen:
    """Kept problems by id and by question."""

    ids: dict[str, Problem] = field(default_factory=dict)
    questions: dict[str, Problem] = field(default_factory=dict)

    def add(self, problem: Problem) -> None:
        self.ids[problem.id] = problem
        self.questions[normalised(problem.question)] = problem

    def clash(self, problem: Problem) -> Reject | None:
        same = self.questions.get(normalised(problem.question))
        if same is not None:
            if problem.split != same.split:
                return _reject(problem, "contaminated", f"the same question as {same.id}", same.id, 1.0)
            if not _same_gold(problem.gold, same.gold):
                detail = f"the same question as {same.id}, which has the gold {same.gold!r}, not {problem.gold!r}"
                return _reject(problem, "conflicting gold", detail, same.id, 1.0)
            return _reject(problem, "duplicate", f"the same question as {same.id}", same.id, 1.0)
        if problem.id in self.ids:
            return _reject(problem, "duplicate id", "another problem has this id already", problem.id)
        return None


def _fault(problem: Problem, settings: ProblemSettings, markers: Markers) -> tuple[str, str] | None:
    if not problem.question.strip():
        return "empty question", "there is nothing to solve"
    if len(problem.question) > settings.max_question_chars:
        return "too long", f"{len(problem.question)} characters; at most {settings.max_question_chars}"
    if (marker := markers.find(problem.question)) is not None:
        return "chat marker", f"holds {marker}, which a chat template takes for its own"
    if not problem.gold.strip():
        return "no gold", "its gold column holds no answer in the form that the profile names (gold_format)"
    return None


def _gold_faults(golds: list[str]) -> list[str]:
    """Why each gold cannot be graded against; empty where it can, and is the right answer to itself."""
    verdicts = verify([f"\\boxed{{{gold}}}" for gold in golds], golds)
    return [
        gold_reason(gold) or ("" if verdict.verdict == "correct" else f"not equal to itself ({verdict.reason})")
        for gold, verdict in zip(golds, verdicts, strict=True)
    ]


def _same_gold(left: str, right: str) -> bool:
    return left == right or verify([f"\\boxed{{{left}}}"], [right])[0].verdict == "correct"


def _longest(held: list[bool]) -> tuple[int, int]:
    """Start and length of the longest stretch of true values; the first of equals."""
    best = (0, 0)
    start = 0
    for i, value in enumerate(held):
        if not value:
            start = i + 1
        elif i + 1 - start > best[1]:
            best = (start, i + 1 - start)
    return best


def _reject(problem: Problem, reason: str, detail: str, other: str = "", share: float = 0.0) -> Reject:
    return Reject(problem.id, problem.source, problem.split, reason, detail, problem.question, other, share)
