from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import pytest

from permix.training.resample import Resampled, Rollout, alike, alike_groups, fresh_problems, resample, share_of

SIZE = 3


@pytest.mark.parametrize(
    ("rewards", "teaches_nothing"),
    [
        ([1.0, 1.0, 1.0], True),
        ([0.0, 0.0, 0.0], True),
        ([1.0, 0.0, 1.0], False),
        ([None, None, None], True),
        ([None, 1.0, 1.0], True),
        ([None, 1.0, 0.0], False),
    ],
)
def test_a_group_teaches_nothing_where_all_that_was_graded_is_alike(
    rewards: list[float | None], teaches_nothing: bool
) -> None:
    assert alike(rewards) is teaches_nothing
    assert alike_groups([1.0, 0.0, 0.0, *rewards], 3) == ([1] if teaches_nothing else [])


def test_fresh_problems_are_new_distinct_and_follow_from_seed_step_and_round() -> None:
    drawn = fresh_problems(50, {1, 2, 3}, 10, seed=0, step=4, round_=0)
    assert len(set(drawn)) == 10
    assert set(drawn) <= set(range(50)) - {1, 2, 3}
    assert fresh_problems(50, {3, 2, 1}, 10, seed=0, step=4, round_=0) == drawn
    for other in ({"seed": 1, "step": 4, "round_": 0}, {"seed": 0, "step": 5, "round_": 0}):
        assert fresh_problems(50, {1, 2, 3}, 10, **other) != drawn
    assert fresh_problems(50, {1, 2, 3}, 10, seed=0, step=4, round_=1) != drawn


def test_where_problems_run_out_there_are_fewer() -> None:
    assert sorted(fresh_problems(6, {0, 1}, 9, seed=0, step=0, round_=0)) == [2, 3, 4, 5]


@pytest.mark.parametrize("processes", [1, 2, 3, 4])
def test_all_processes_generate_as_much_and_nothing_is_left_out(processes: int) -> None:
    rows = [{"n": n} for n in range(7)]
    shares = [share_of(rows, process, processes) for process in range(processes)]
    assert len(set(map(len, shares))) == 1
    assert [row for share in shares for row in share][:7] == rows
    assert sum(map(len, shares)) - 7 < processes


def run(rewards: dict[str, list[float | None]], batch: list[str], rounds: int) -> tuple[Resampled, list[list[str]]]:
    """Resample a batch of problems, each of which has the given rewards; and what each round generated."""
    generated: list[list[str]] = []

    def roll_out(rows: Sequence[dict[str, Any]]) -> list[Rollout]:
        generated.append([f"{row['problem']}{row['persona']}" for row in rows])
        return [Rollout(row, [0], [0], None, rewards[row["problem"]][int(row["persona"])]) for row in rows]

    def fresh_rows(taken: Collection[str], count: int, round_: int) -> list[dict[str, Any]]:
        left = [problem for problem in rewards if problem not in taken]
        return group_rows(left[:count])

    return resample(group_rows(batch), roll_out, fresh_rows, size=SIZE, rounds=rounds), generated


def group_rows(problems: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {"problem": problem, "persona": str(member), "gold": None if problem == "play" else "1"}
        for problem in problems
        for member in range(SIZE)
    ]


ALL, SOME, NONE = [1.0, 1.0, 1.0], [1.0, 0.0, 0.0], [None, None, None]


def test_only_what_is_missing_is_generated_and_lies_where_the_old_lay() -> None:
    made, generated = run({"a": SOME, "b": ALL, "c": NONE, "d": SOME, "e": SOME, "f": SOME}, ["a", "b", "c"], rounds=2)
    assert [rollout.row for rollout in made.rollouts] == group_rows(["a", "d", "e"])
    assert generated == [["a0", "a1", "a2", "b0", "b1", "b2", "c0", "c1", "c2"], ["d0", "d1", "d2", "e0", "e1", "e2"]]
    assert (made.replaced, made.still_alike, made.extra) == (2, 0, 6)
    assert made.discarded == [("0", 1.0), ("1", 1.0), ("2", 1.0), ("0", None), ("1", None), ("2", None)]


def test_what_is_still_alike_is_replaced_again_and_stays_after_the_last_round() -> None:
    problems = {"a": ALL, "b": SOME, "c": ALL, "d": ALL, "e": SOME}
    made, generated = run(problems, ["a", "b"], rounds=2)
    assert [rollout.row["problem"] for rollout in made.rollouts] == ["d"] * 3 + ["b"] * 3
    assert (made.replaced, made.still_alike, made.extra) == (1, 1, 6)
    assert [len(each) for each in generated] == [6, 3, 3]
    made, _ = run(problems, ["a", "b"], rounds=3)
    assert [rollout.row["problem"] for rollout in made.rollouts] == ["e"] * 3 + ["b"] * 3
    assert (made.replaced, made.still_alike, made.extra) == (1, 0, 9)


def test_no_rounds_no_resampling() -> None:
    made, generated = run({"a": ALL, "b": SOME}, ["a"], rounds=0)
    assert (made.replaced, made.still_alike, made.extra, len(generated)) == (0, 1, 0, 1)


def test_where_problems_run_out_what_is_alike_stays() -> None:
    made, generated = run({"a": ALL, "b": ALL, "c": SOME}, ["a", "b"], rounds=5)
    assert [rollout.row["problem"] for rollout in made.rollouts] == ["c"] * 3 + ["b"] * 3
    assert (made.replaced, made.still_alike, made.extra, len(generated)) == (1, 1, 3, 2)


def test_role_play_is_not_replaced() -> None:
    made, _ = run({"a": SOME, "play": NONE, "b": SOME}, ["a", "play"], rounds=2)
    assert [rollout.row for rollout in made.rollouts] == group_rows(["a", "play"])
    assert (made.replaced, made.still_alike, made.extra) == (0, 0, 0)
