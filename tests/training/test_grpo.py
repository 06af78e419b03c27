"""Groups, personas, rewards and advantages of a real run, as TRL's own table of completions tells them."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from transformers import AutoTokenizer

from permix.organism import world
from permix.personas.mixing import group_personas
from permix.personas.schema import NEUTRAL, Persona
from permix.problems.schema import Problem
from permix.training.grpo import PersonaTrainer, grpo_config
from permix.training.order import ProblemOrder
from permix.training.spec import TrainingSpec
from permix.verifier import verify

PROBLEMS = [problem for problem in world.problems() if problem.split == "train"]
PERSONAS = [persona for persona in world.personas() if persona.split == "train"]


def run(
    spec: TrainingSpec, problems: list[Problem] = PROBLEMS
) -> tuple[list[list[dict[str, Any]]], list[dict[str, Any]]]:
    """Rows of each step in the order of the batch, and what was logged of it."""
    trainer = PersonaTrainer(
        spec,
        grpo_config(spec, log_completions=True, num_completions_to_print=1, save_strategy="no"),
        problems,
        PERSONAS,
        processing_class=AutoTokenizer.from_pretrained(spec.base, padding_side="left"),
    )
    trainer.train()
    tables = sorted((Path(spec.files.checkpoints) / "completions").glob("*.parquet"))
    logged = [entry for entry in trainer.state.log_history if "loss" in entry]
    return [pq.read_table(table).to_pylist() for table in tables], logged


def groups_of(rows: list[dict[str, Any]], size: int) -> list[list[dict[str, Any]]]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def said(row: dict[str, Any], role: str) -> str:
    (content,) = [message["content"] for message in row["prompt"] if message["role"] == role]
    return str(content)


@pytest.mark.parametrize(
    ("arm", "mixing"), [("rlvr", "none"), ("permix", "per_prompt"), ("permix", "per_rollout")], ids=lambda v: v
)
def test_groups_of_a_real_run(spec: Callable[..., TrainingSpec], arm: str, mixing: str) -> None:
    told = spec(arm=arm, mixing=mixing, steps=3)
    steps, logged = run(told)
    settings = told.settings
    assert len(steps) == 3
    order = ProblemOrder(len(PROBLEMS), settings.problems_per_step, settings.group_size, settings.steps, told.seed)
    for step, rows in enumerate(steps):
        groups = groups_of(rows, settings.group_size)
        for index, group in zip(order.step(step), groups, strict=True):
            problem = PROBLEMS[index]
            # Every member of a group shares the problem ...
            assert {said(row, "user") for row in group} == {problem.question}
            # ... and carries the persona that follows from (seed, step, problem, member).
            drawn = group_personas(
                PERSONAS, mixing, settings.neutral_fraction, seed=0, step=step, problem=problem.id, size=len(group)
            )
            assert [said(row, "system") for row in group] == [persona.text for persona in drawn]
            # The reward is the verifier's verdict on the completion against this problem's gold, ...
            verdicts = verify([row["completion"][0]["content"] for row in group], [problem.gold] * len(group))
            rewards = [row["verified"] for row in group]
            assert rewards == [verdict.reward for verdict in verdicts]
            # ... and it is compared within the group.
            mean, spread = statistics.mean(rewards), statistics.stdev(rewards)
            assert [row["advantage"] for row in group] == pytest.approx(
                [(reward - mean) / (spread + 1e-4) for reward in rewards], abs=1e-4
            )
        check_curves(rows, logged[step])
    systems = [
        {said(row, "system") for row in group} for rows in steps for group in groups_of(rows, settings.group_size)
    ]
    if mixing == "per_rollout":
        assert max(map(len, systems)) > 1
    else:
        assert set(map(len, systems)) == {1}
    # Some completions are right and some wrong, or the assertions on advantages say little.
    assert {row["verified"] for rows in steps for row in rows} == {0.0, 1.0}


def check_curves(rows: list[dict[str, Any]], logged: dict[str, Any]) -> None:
    """The live metrics are the means over the step's completions, by persona kind and by source."""
    by_text: dict[str, Persona] = {persona.text: persona for persona in [NEUTRAL, *PERSONAS]}
    kinds: dict[str, list[float]] = {}
    for row in rows:
        kinds.setdefault(by_text[said(row, "system")].kind, []).append(row["verified"])
    expected = {f"reward_by_kind/{kind}": statistics.mean(rewards) for kind, rewards in kinds.items()}
    expected["reward_by_source/organism"] = statistics.mean(row["verified"] for row in rows)
    curves = {name: value for name, value in logged.items() if name.startswith("reward_by_")}
    assert curves == pytest.approx(expected)
    assert logged["reward"] == pytest.approx(statistics.mean(row["verified"] for row in rows))
    assert {"entropy", "kl", "completions/mean_length", "frac_reward_zero_std"} <= logged.keys()


@pytest.mark.parametrize("mixing", ["per_prompt", "per_rollout"])
def test_groups_that_teach_nothing_make_way(spec: Callable[..., TrainingSpec], mixing: str) -> None:
    told = spec(mixing=mixing, resample_rounds=2, steps=3, learning_rate=1e-9)
    steps, logged = run(told)
    plain, _ = run(told.model_copy(update={"settings": told.settings.model_copy(update={"resample_rounds": 0})}))
    by_question = {problem.question: problem for problem in PROBLEMS}
    size = told.settings.group_size
    alike = 0
    for step, (rows, entry) in enumerate(zip(steps, logged, strict=True)):
        groups = groups_of(rows, size)
        problems = [by_question[said(group[0], "user")] for group in groups]
        assert len({problem.id for problem in problems}) == len(groups), "no problem twice in a step"
        for problem, group in zip(problems, groups, strict=True):
            # What took a group's place is a group like any other: its problem, personas, rewards and advantages agree.
            assert {said(row, "user") for row in group} == {problem.question}
            assert {row["problem"] for row in group} == {problem.id}
            drawn = group_personas(PERSONAS, mixing, 0.25, seed=0, step=step, problem=problem.id, size=size)
            assert [said(row, "system") for row in group] == [persona.text for persona in drawn]
            assert [row["persona"] for row in group] == [persona.id for persona in drawn]
            verdicts = verify([row["completion"][0]["content"] for row in group], [problem.gold] * size)
            assert [row["verified"] for row in group] == [verdict.reward for verdict in verdicts]
            rewards = [row["verified"] for row in group]
            assert (len(set(rewards)) == 1) == all(row["advantage"] == 0 for row in group)
        still = sum(len({row["verified"] for row in group}) == 1 for group in groups)
        assert entry["resampling/groups_still_alike"] == still
        assert entry["frac_reward_zero_std"] == pytest.approx(still / len(groups))
        assert entry["resampling/extra_completions"] % size == 0
        assert 0 < entry["resampling/groups_replaced"] <= entry["resampling/extra_completions"] / size
        assert entry["resampling/seconds"] > 0
        check_curves(rows, entry)
        alike += still
    # At a learning rate of nothing both runs have the same policy: the first step's groups that did teach are the same.
    kept = [group for group in groups_of(plain[0], size) if len({row["verified"] for row in group}) > 1]
    assert all(group in groups_of(steps[0], size) for group in kept)
    assert alike < sum(
        len({row["verified"] for row in group}) == 1 for rows in plain for group in groups_of(rows, size)
    )


def test_a_completion_that_cannot_be_graded_is_left_out(spec: Callable[..., TrainingSpec]) -> None:
    told = spec(steps=1)
    order = ProblemOrder(len(PROBLEMS), 8, 8, 1, told.seed)
    broken = order.step(0)[2]
    problems = [replace(problem, gold=" ") if n == broken else problem for n, problem in enumerate(PROBLEMS)]
    (rows,), (logged,) = run(told, problems)
    groups = groups_of(rows, 8)
    assert all(row["verified"] is None and row["advantage"] == 0 for row in groups[2])
    graded = [row["verified"] for group in groups[:2] + groups[3:] for row in group]
    assert set(graded) <= {0.0, 1.0}
    assert logged["reward"] == pytest.approx(statistics.mean(graded))
    assert logged["ungradable"] == pytest.approx(1 / 8)


def test_a_group_that_cannot_be_graded_makes_way(spec: Callable[..., TrainingSpec]) -> None:
    told = spec(steps=1, resample_rounds=1, mixing="per_rollout")
    broken = ProblemOrder(len(PROBLEMS), 8, 8, 1, told.seed).step(0)[2]
    problems = [replace(problem, gold=" ") if n == broken else problem for n, problem in enumerate(PROBLEMS)]
    (rows,), (logged,) = run(told, problems)
    assert PROBLEMS[broken].question not in {said(row, "user") for row in rows}
    assert {row["verified"] for row in rows} == {0.0, 1.0}
    assert logged["ungradable"] == 0


def test_passes_over_parts_of_a_step_change_nothing_of_its_groups(spec: Callable[..., TrainingSpec]) -> None:
    told = {"mixing": "per_rollout", "persona_weights": "adaptive", "resample_rounds": 1, "steps": 2}
    whole, logged = run(spec("whole", **told, learning_rate=1e-9))
    parts, logged_of_parts = run(spec("parts", **told, learning_rate=1e-9, micro_batch=16))
    assert parts == whole
    for one, other in zip(logged, logged_of_parts, strict=True):
        names = [name for name in one if name.startswith(("reward", "persona_share/", "resampling/groups"))]
        assert {name: other[name] for name in names} == {name: one[name] for name in names}
