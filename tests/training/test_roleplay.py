"""Role-play questions beside problems: where they come from, and what a real step makes of them."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel

from permix.config import JudgingSettings, Profile, ServerJudge, with_overrides
from permix.fidelity.judging.questions import OWN_SET, benchmark_of, read_benchmark
from permix.generation.local import LanguageModel
from permix.organism import world
from permix.personas.schema import NEUTRAL
from permix.problems import load_problems
from permix.study.drift import _divergence
from permix.training.grpo import PersonaTrainer, grpo_config
from permix.training.order import ProblemOrder
from permix.training.pages import completions_page
from permix.training.resample import alike_groups
from permix.training.reward import grade
from permix.training.roleplay import OWN_QUESTIONS, read_questions, roleplay_questions
from permix.training.spec import TrainingSpec
from permix.training.tables import completion_rows

PERSONAS = [persona for persona in world.personas() if persona.split == "train"]
JUDGED = JudgingSettings(judges=(ServerJudge(kind="server", name="j", url="http://127.0.0.1:1/v1", model="m"),))


def asking(**settings: object) -> Profile:
    return with_overrides(Profile(), {f"training.{key}": value for key, value in settings.items()})  # type: ignore[dict-item]


def test_our_own_questions_are_not_those_of_the_evaluation() -> None:
    evaluated = {question.text for question in read_benchmark(OWN_SET).questions}
    assert len(read_questions(OWN_QUESTIONS)) == 48
    assert not evaluated & set(read_questions(OWN_QUESTIONS))
    assert not set(world.roleplay_questions()) & set(world.practice_questions())


def test_the_organism_can_read_its_practice_questions() -> None:
    known = {word for question in world.roleplay_questions() for word in question.removesuffix("?").split()}
    assert {word for question in world.practice_questions() for word in question.removesuffix("?").split()} <= known


def test_the_organism_is_asked_its_own_and_other_models_a_general_set() -> None:
    assert roleplay_questions(asking(roleplay_per_step=4)) == tuple(world.practice_questions())
    other = with_overrides(asking(roleplay_per_step=4), {"model.base": "some/model"})
    assert roleplay_questions(other) == read_questions(OWN_QUESTIONS)


@pytest.mark.parametrize("arm", ["rlvr", "sft", "distillation"])
def test_only_the_permix_arm_asks_any(arm: str) -> None:
    assert roleplay_questions(asking(roleplay_per_step=4, arm=arm)) == ()
    assert roleplay_questions(asking(roleplay_per_step=0)) == ()


def test_questions_that_the_evaluation_asks_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "asked.jsonl"
    file.write_text('{"question": "Who are you?"}\n{"question": "what do you do  AT DAWN?"}\n')
    with pytest.raises(ValueError, match=r"the evaluation asks 'what do you do  AT DAWN\?' as well \(1 .*asked.jsonl"):
        roleplay_questions(asking(roleplay_per_step=1, roleplay_file=str(file)))
    judged = asking(roleplay_per_step=1, roleplay_file=str(file))
    judged = judged.model_copy(update={"evaluation": judged.evaluation.model_copy(update={"judging": JUDGED})})
    assert len(roleplay_questions(judged)) == 2, "judges ask other questions than the organism's judge"
    file.write_text(f'{{"question": "{benchmark_of(JUDGED).questions[3].text}"}}\n')
    with pytest.raises(ValueError, match="the evaluation asks"):
        roleplay_questions(judged)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('{"question": "a?"}\nb?\n', r"line 2: not JSON"),
        ('{"question": "a?"}\n\n{"text": "b?"}\n', r'line 3: expected {"question": "..."}'),
        ('{"question": " "}\n', r"line 1: expected .* not empty"),
        ('["a?"]\n', r"line 1: expected"),
        ('{"question": "a?"}\n{"question": "a?"}\n', r"line 2: the question of line 1 again"),
        ('{"question": "a?"}\n', r"roleplay_per_step is 2, but .* has only 1 questions"),
    ],
)
def test_a_faulty_file_is_refused_with_its_line(tmp_path: Path, text: str, fault: str) -> None:
    file = tmp_path / "questions.jsonl"
    file.write_text(text)
    with pytest.raises(ValueError, match=fault):
        roleplay_questions(asking(roleplay_per_step=2, roleplay_file=str(file)))


def test_where_the_organisms_own_questions_are_too_few_they_are_named() -> None:
    with pytest.raises(ValueError, match=r"is 30, but the organism's own set has only 24 questions"):
        roleplay_questions(asking(problems_per_step=64, roleplay_per_step=30))


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(ValueError, match=r"roleplay_file: there is no nowhere.jsonl"):
        roleplay_questions(asking(roleplay_per_step=1, roleplay_file="nowhere.jsonl"))


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"roleplay_per_step": 16}, "must be less than problems_per_step"),
        ({"roleplay_per_step": 1, "kl": 0}, "kl above 0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, float], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        asking(**settings)


def test_a_step_has_its_share_of_questions_after_its_problems() -> None:
    order = ProblemOrder(20, 8, 2, steps=6, seed=1, roleplay=5, roleplay_per_step=3)
    for step in range(6):
        problems, questions = order.step(step)[:5], order.step(step)[5:]
        assert len(set(problems)) == 5
        assert max(problems) < 20
        assert len(set(questions)) == 3
        assert set(questions) <= set(range(20, 25))
    assert len({tuple(order.step(step)[5:]) for step in range(6)}) > 1
    assert len(list(order)) == len(order) == 6 * 8 * 2
    assert ProblemOrder(20, 5, 2, steps=6, seed=1).step(3) == order.step(3)[:5], "the problems are those without it"


def test_where_there_is_no_gold_there_is_no_verdict() -> None:
    right, none, wrong = grade([r"\boxed{1}", r"\boxed{2}", r"\boxed{3}"], ["1", None, "4"])
    assert none is None
    assert (right and right.reward, wrong and wrong.reward) == (1.0, 0.0)


def trainer_of(spec: TrainingSpec) -> PersonaTrainer:
    problems = load_problems(Path(spec.problems), "train")
    tokenizer = AutoTokenizer.from_pretrained(spec.base, padding_side="left")
    return PersonaTrainer(spec, grpo_config(spec, save_strategy="no"), problems, PERSONAS, processing_class=tokenizer)


def base_of(spec: TrainingSpec) -> PreTrainedModel:
    return AutoModelForCausalLM.from_pretrained(spec.base)


@pytest.mark.parametrize("settings", [{}, {"mixing": "per_rollout", "resample_rounds": 1, "micro_batch": 16}], ids=str)
def test_a_real_run_gives_them_personas_and_no_advantage(
    spec: Callable[..., TrainingSpec], settings: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    told = spec(arm="permix", roleplay_per_step=2, neutral_fraction=0.0, steps=2, kl=0.05, **settings)
    told = told.model_copy(update={"roleplay": tuple(world.practice_questions())})
    with caplog.at_level(logging.WARNING):
        trainer = trainer_of(told)
        trainer.train()
    assert "returned None" not in caplog.text
    kinds = {persona.id: persona.kind for persona in (NEUTRAL, *PERSONAS)}
    rows = completion_rows(trainer._logs, 2, kinds)
    played = [row for row in rows if row["gold"] is None]
    assert len(rows) == 8 * 8
    assert played == rows[6 * 8 :], "the last two groups of the step"
    assert {row["question"] for row in played} <= set(told.roleplay)
    assert {row["verdict"] for row in played} == {"role-play"}
    assert {row["advantage"] for row in played} == {0}
    assert all(row["persona"] != NEUTRAL.id for row in played)
    assert any(row["advantage"] for row in rows[: 6 * 8])
    # They count neither as graded nor as right.
    seen = sum(tally["graded"] for tally in trainer.tallies.values())
    discarded = sum(entry.get("resampling/extra_completions", 0) for entry in trainer.state.log_history)
    assert seen == 2 * 6 * 8 + discarded
    rewards = [1.0 if row["verdict"] == "correct" else 0.0 for row in rows if row["gold"] is not None]
    last = [entry for entry in trainer.state.log_history if "reward" in entry][-1]
    assert last["reward"] == pytest.approx(sum(rewards) / len(rewards))
    page = completions_page(rows)
    assert "role-play; roleplay/" in page
    assert f"of {6 * 8} graded are correct" in page
    assert len(alike_groups([None] * 8, 8)) == 1


def test_the_kl_term_sees_a_policy_that_has_left_the_base(spec: Callable[..., TrainingSpec]) -> None:
    told = spec(arm="permix", roleplay_per_step=7, problems_per_step=8, steps=1, kl=1.0, learning_rate=1e-9)
    told = told.model_copy(update={"roleplay": tuple(world.practice_questions())})
    trainer = trainer_of(told)
    with torch.no_grad():
        for weight in trainer.model.parameters():
            weight.add_(0.05 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(0)))
    trainer.train()
    logged = next(entry for entry in trainer.state.log_history if "kl" in entry)
    assert any(
        not torch.equal(a, b) for a, b in zip(base_of(told).parameters(), trainer.model.parameters(), strict=True)
    )
    assert logged["kl"] > 0.001
    assert logged["grad_norm"] > 0


def test_they_hold_the_policy_to_the_base_in_role_play(spec: Callable[..., TrainingSpec]) -> None:
    """On questions that neither training was asked; problems alone let it drift there."""
    drift = {}
    for asked in (0, 4):
        told = spec(f"{asked} asked", arm="permix", roleplay_per_step=asked, steps=40, kl=0.1, learning_rate=3e-3)
        told = told.model_copy(update={"roleplay": tuple(world.practice_questions())})
        trainer = trainer_of(told)
        trainer.train()
        trained, base = (
            LanguageModel(model.eval(), trainer.processing_class) for model in (trainer.model, base_of(told))
        )
        conversations = [
            (
                [{"role": "system", "content": persona.text}, {"role": "user", "content": question}],
                world.reply(question, persona, random.Random(0)),
            )
            for persona in PERSONAS[::4]
            for question in world.roleplay_questions()
        ]
        nats, tokens = _divergence(trained, base, conversations)
        drift[asked] = nats / tokens
    assert drift[4] < drift[0] / 2
