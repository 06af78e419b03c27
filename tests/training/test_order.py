from __future__ import annotations

import pytest

from permix.training.order import ProblemOrder

ORDER = ProblemOrder(problems=11, problems_per_step=4, group_size=3, steps=9, seed=5)


def test_rows_are_the_steps_groups_one_after_the_other() -> None:
    rows = list(ORDER)
    assert len(rows) == len(ORDER) == 9 * 4 * 3
    for step in range(9):
        groups = [rows[start : start + 3] for start in range(step * 12, (step + 1) * 12, 3)]
        assert [group[0] for group in groups] == ORDER.step(step)
        assert all(len(set(group)) == 1 for group in groups)


def test_a_step_holds_no_problem_twice_and_nor_does_a_pass() -> None:
    first_pass = ORDER.step(0) + ORDER.step(1)
    assert len(set(first_pass)) == 8


def test_passes_differ_and_reach_every_problem() -> None:
    assert set(ORDER.step(0) + ORDER.step(1)) != set(ORDER.step(2) + ORDER.step(3))
    assert {index for step in range(9) for index in ORDER.step(step)} == set(range(11))


def test_a_step_follows_from_the_seed_alone() -> None:
    # Another length of the run must not change where a resumed one goes on.
    longer = ProblemOrder(problems=11, problems_per_step=4, group_size=3, steps=90, seed=5)
    assert [longer.step(step) for step in range(9)] == [ORDER.step(step) for step in range(9)]
    other = ProblemOrder(problems=11, problems_per_step=4, group_size=3, steps=9, seed=6)
    assert list(other) != list(ORDER)


def test_too_few_problems_are_refused_with_the_setting_to_change() -> None:
    with pytest.raises(ValueError, match=r"training.problems_per_step is 16, .* only 5 .* set it to 5 or less"):
        ProblemOrder(problems=5, problems_per_step=16, group_size=2, steps=1, seed=0)
