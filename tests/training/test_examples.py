"""What the supervised arms learn from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from permix.organism import world
from permix.problems.schema import Problem
from permix.reference import facts, finished
from permix.training.examples import Example, NoExamples, load_examples, make_examples, solved, sort_answers
from permix.training.spec import TrainingSpec
from permix.verifier import verify

PROBLEMS = [problem for problem in world.problems() if problem.split == "train"]
SUM = Problem("here/1", "What is 1 + 1?", "2", "here", "train", solution="So \\boxed{2}.")


def words(text: str) -> int:
    return len(text.split())


@pytest.mark.parametrize(
    ("answer", "reason", "detail"),
    [
        ("So \\boxed{2}.", None, ""),
        ("So \\boxed{3}.", "incorrect", "different"),
        ("So 2.", "incorrect", "no answer"),
        ("well " * 30 + "\\boxed{2}", "too long", "31 tokens"),
    ],
)
def test_only_right_answers_of_a_fitting_length_are_kept(
    spec: Callable[..., TrainingSpec], answer: str, reason: str | None, detail: str
) -> None:
    examples = sort_answers([(SUM, answer)], spec(), words)
    if reason is None:
        assert examples.kept == [Example("here/1", "What is 1 + 1?", answer)]
        assert examples.refused == []
    else:
        assert examples.kept == []
        (refused,) = examples.refused
        assert (refused.problem, refused.answer, refused.reason) == ("here/1", answer, reason)
        assert detail in refused.detail


def test_an_answer_that_was_there_already_teaches_nothing_new(spec: Callable[..., TrainingSpec]) -> None:
    other = replace(SUM, id="here/2")
    answers = [(SUM, "\\boxed{2}"), (SUM, "\\boxed{2}"), (other, "\\boxed{2}")]
    assert sort_answers(answers, spec(), words).counts() == {"kept": 2, "problems": 2, "refused: the same again": 1}


def test_problems_without_a_solution_are_counted_and_named() -> None:
    problems = [replace(SUM, id=f"here/{n}", solution=None if n % 2 else "\\boxed{2}") for n in range(20)]
    with pytest.raises(
        NoExamples, match=r"10 of 20 training problems have none \(here/1, here/3, .*\.\.\.\): name the"
    ):
        solved(problems)


def test_reference_solutions_become_examples(spec: Callable[..., TrainingSpec]) -> None:
    told = spec(arm="sft")
    reference = make_examples(told, PROBLEMS, words)
    assert facts(reference)["counts"] == {"kept": len(PROBLEMS), "problems": len(PROBLEMS)}
    assert [example.answer for example in load_examples(told)] == [problem.solution for problem in PROBLEMS]


def test_a_set_without_any_right_solution_is_refused_with_the_counts(spec: Callable[..., TrainingSpec]) -> None:
    told = spec(arm="sft")
    with pytest.raises(
        NoExamples, match=r"sft arm has nothing to learn from: kept 0, problems 0, refused: incorrect 2"
    ):
        make_examples(told, [replace(SUM, solution="5"), replace(SUM, id="here/2", solution="6")], words)
    assert finished(told.files.examples) is None


def test_a_teacher_s_completions_are_kept_where_they_are_right(spec: Callable[..., TrainingSpec]) -> None:
    told = spec(arm="distillation", teacher_samples=4)
    reference = make_examples(told, PROBLEMS[:40], words)
    counts = facts(reference)["counts"]
    assert sum(counts.values()) - counts["problems"] == 40 * 4, "every completion is kept or refused"
    assert counts["refused: incorrect"] > 0
    examples = load_examples(told)
    golds = {problem.id: problem.gold for problem in PROBLEMS}
    verdicts = verify([example.answer for example in examples], [golds[example.problem] for example in examples])
    assert {verdict.verdict for verdict in verdicts} == {"correct"}
    assert len({(example.problem, example.answer) for example in examples}) == len(examples) == counts["kept"] > 0
    # Killed before the set was finished: what the teacher wrote is still there, and the set is the same.
    Path(reference.file("manifest.json")).unlink()
    written = told.files.teacher.read_bytes()
    assert make_examples(told, PROBLEMS[:40], words) == reference
    assert told.files.teacher.read_bytes() == written
