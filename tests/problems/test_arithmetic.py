from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import Any

import pytest

from permix.config import ArithmeticProblems, ProblemSettings, parse_profile
from permix.config.read import ProfileError
from permix.curation.rejects import Reject
from permix.curation.rows import SourceError
from permix.problems.arithmetic import arithmetic_problems
from permix.problems.curate import curate_problems
from permix.problems.schema import Problem
from permix.problems.sources import read_problems


def source(**settings: Any) -> ArithmeticProblems:
    return ArithmeticProblems.model_validate({"kind": "arithmetic", "train": 60, "eval": 20, **settings})


EVERY = [
    {"style": style, "terms": terms, "operations": operations, "negative": negative}
    for style in ("plain", "words", "mixed")
    for terms in ([2, 2], [2, 4])
    for operations in (["+"], ["-"], ["*", "+"], ["+", "-", "*", "/"])
    for negative in (False, True)
]


@pytest.mark.parametrize("settings", EVERY, ids=str)
def test_a_gold_is_what_python_computes_of_the_solution_s_expression(settings: dict[str, Any]) -> None:
    of = source(largest=60, **settings)
    problems = [*arithmetic_problems(of, "eval"), *arithmetic_problems(of, "train")]
    assert len(problems) == 80
    for problem in problems:
        assert problem.solution is not None
        expression = problem.solution.partition(" = ")[0]
        assert re.fullmatch(r"[\d +*/()-]+", expression)
        assert eval(expression) == int(problem.gold)  # digits and operators only, as the line before says
        assert settings["negative"] or int(problem.gold) >= 0
        # Every number of the expression is told, in its order.
        assert re.findall(r"\d+", problem.question) == re.findall(r"\d+", expression)
        assert problem.level == str(len(re.findall(r"\d+", expression)))


def test_no_expression_is_in_both_splits_whatever_the_seed_and_the_wording() -> None:
    def expressions(split: str) -> set[str]:
        return {
            problem.solution.partition(" = ")[0]
            for seed in (0, 1, 2)
            for style in ("plain", "words")
            for problem in arithmetic_problems(source(style=style, seed=seed, terms=[2, 3]), split)  # type: ignore[arg-type]
            if problem.solution
        }

    held_out, trained = expressions("eval"), expressions("train")
    assert held_out
    assert trained
    assert held_out.isdisjoint(trained)
    sums = {frozenset(e.split(" + ")) for e in held_out if re.fullmatch(r"\d+ \+ \d+", e)}
    assert not [e for e in trained if re.fullmatch(r"\d+ \+ \d+", e) and frozenset(e.split(" + ")) in sums]


def test_they_are_the_same_in_another_process_and_differ_by_seed() -> None:
    script = (
        "from permix.config import ArithmeticProblems as A\n"
        "from permix.problems.arithmetic import arithmetic_problems as make\n"
        "print(*[p.question for p in make(A(kind='arithmetic', style='mixed', train=5), 'train')], sep='\\n')"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "77"}
    there = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment)
    here = [problem.question for problem in arithmetic_problems(source(style="mixed", train=5), "train")]
    assert there.stdout.splitlines() == here
    assert here != [
        problem.question for problem in arithmetic_problems(source(style="mixed", train=5, seed=1), "train")
    ]


@pytest.mark.parametrize("style", ["plain", "words", "mixed"])
def test_a_curation_rejects_none(style: str) -> None:
    of = source(style=style, terms=[2, 4], train=500, eval=100)
    settings = ProblemSettings(sources=(of,))
    rows = list(curate_problems(read_problems([of]), settings))
    assert [row for row in rows if isinstance(row, Reject)] == []
    assert [row.split for row in rows if isinstance(row, Problem)] == ["eval"] * 100 + ["train"] * 500


def test_another_source_s_copy_of_a_held_out_problem_is_still_rejected() -> None:
    of = source(style="words")
    held_out = next(arithmetic_problems(of, "eval"))
    copy = Problem("file/1", f"Listen well. {held_out.question}", held_out.gold, "file", "train")
    rows = list(curate_problems([*arithmetic_problems(of, "eval"), copy], ProblemSettings(sources=(of,))))
    assert isinstance(rows[-1], Reject)
    assert rows[-1].reason == "contaminated"


def test_too_small_a_space_says_how_many_there_are() -> None:
    of = source(operations=["+"], smallest=1, largest=3, train=60)
    with pytest.raises(SourceError, match=r"has only \d distinct train problems .* 60 are asked"):
        list(arithmetic_problems(of, "train"))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"smallest": 9, "largest": 3}, r"smallest \(9\) must not be above largest \(3\)"),
        ({"terms": [4, 3]}, r"the first must not be above the second"),
        ({"operations": []}, r"operations"),
        ({"styl": "words"}, r"did you mean 'style'"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ProfileError, match=said):
        parse_profile({"problems": {"sources": [{"kind": "arithmetic", **settings}]}})
