from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import ValidationError
from scripted import SETTINGS, protocol, scorecard, scripted

from permix.evaluation.answers import Answer
from permix.evaluation.evaluate import ask, make_scorecard
from permix.evaluation.scorecard import Scorecard, read_scorecard, write_scorecard
from permix.organism import world
from permix.personas.schema import NEUTRAL, Persona
from permix.statistics.value import Estimate

EVAL = [persona for persona in world.personas() if persona.split == "eval"]
STRANGER = Persona("real/1", "You are a night-shift nurse.", "everyday", "eval", "real")


def test_a_model_that_errs_under_one_persona_only() -> None:
    card = scorecard({"organism/hasty-pirate": 1.0})
    assert card.stability.pss.value == 0
    assert card.stability.worst_persona == "organism/hasty-pirate"
    assert card.stability.neutral.value == card.neutral_greedy == 1
    assert card.persona("organism/hasty-pirate").accuracy.value == 0
    assert card.stability.mean.value == pytest.approx(1 - 1 / len(EVAL))
    adverse = sum(persona.kind == "adverse" for persona in EVAL)
    assert card.kinds["adverse"].accuracy.value == pytest.approx(1 - 1 / adverse)
    assert card.kinds["expert"].accuracy.value == 1
    assert (card.problems, card.samples, card.ungradable, card.cut) == (SETTINGS.problems, SETTINGS.samples, 0, 0)
    assert not card.adaptive
    assert {persona.completions for persona in card.personas} == {SETTINGS.problems * SETTINGS.samples}
    assert card.completions == SETTINGS.problems * SETTINGS.samples * (1 + len(EVAL))


def test_neutral_is_measured_and_is_not_one_of_the_personas() -> None:
    card = scorecard({NEUTRAL.id: 1.0})
    assert card.stability.neutral.value == card.neutral_greedy == 0
    assert card.stability.pss.value == card.stability.worst_minus_neutral.value == 1
    assert {persona.id for persona in card.personas} == {persona.id for persona in EVAL}


def test_subjects_and_levels_have_figures_of_their_own() -> None:
    whole = scorecard({"organism/hasty-pirate": 1.0})
    assert sum(score.problems for score in whole.subjects.values()) == whole.problems
    assert set(whole.subjects) <= {"addition", "subtraction", "multiplication"}
    assert whole.levels == {}, "the organism's problems have none"
    assert all(score.pss.value == 0 and score.neutral.value == 1 for score in whole.subjects.values())

    # Every problem of one level is beyond the model, and of the other within reach; the persona matters in neither.
    asked = protocol()
    hard = {problem.id for problem in asked.problems[:4]}
    graded = replace(
        asked, problems=tuple(replace(p, level="hard" if p.id in hard else "easy") for p in asked.problems)
    )
    answers = [
        replace(answer, verdict="incorrect" if answer.item in hard else "correct") if answer.gold else answer
        for answer in ask(scripted({}), graded)
    ]
    levels = make_scorecard(answers, graded, SETTINGS, "scripted").levels
    assert {level: (score.problems, score.mean.value) for level, score in levels.items()} == {
        "easy": (8, 1),
        "hard": (4, 0),
    }
    assert (levels["easy"].pss.value, levels["easy"].noise_floor.value) == (1, 1)


def test_both_fidelities_hear_the_voice() -> None:
    card = scorecard({})
    assert card.fidelity.roleplay == card.fidelity.solving == Estimate(value=1, low=1, high=1)
    mute = scorecard({}, mute=frozenset({EVAL[0].id}))
    assert (mute.persona(EVAL[0].id).roleplay, mute.persona(EVAL[0].id).solving) == (0, 0)
    assert mute.fidelity.roleplay is not None
    assert mute.fidelity.roleplay.value == pytest.approx(1 - 1 / len(EVAL))
    assert mute.kinds[EVAL[0].kind].roleplay == pytest.approx(
        1 - 1 / sum(persona.kind == EVAL[0].kind for persona in EVAL)
    )


def test_a_persona_without_a_known_voice_is_not_measured_and_not_asked() -> None:
    def made(personas: list[Persona]) -> tuple[list[Answer], Scorecard]:
        asked = protocol(personas=personas)
        answers = ask(scripted({}), asked)
        assert len(answers) == asked.completions
        return answers, make_scorecard(answers, asked, SETTINGS, "scripted")

    answers, mixed = made([EVAL[0], STRANGER])
    assert not [answer for answer in answers if answer.task == "roleplay" and answer.persona == STRANGER.id]
    assert mixed.persona(STRANGER.id).roleplay is None
    # One persona says nothing of others.
    assert (mixed.fidelity.personas, mixed.fidelity.roleplay) == (1, Estimate(value=1, low=0, high=1))
    assert "1 of 2 personas have no voice" in mixed.fidelity.note

    _, alone = made([STRANGER])
    assert (alone.fidelity.roleplay, alone.fidelity.solving, alone.fidelity.judge) == (None, None, "")
    assert "fidelity" not in alone.metrics()
    assert alone.stability.pss.value == 1


def test_ungradable_completions_are_counted_and_never_scored() -> None:
    asked = protocol()
    broken = replace(asked, problems=(replace(asked.problems[0], gold=""), *asked.problems[1:]))
    card = make_scorecard(ask(scripted({}), broken), broken, SETTINGS, "scripted")
    personas = len(EVAL) + 1
    assert card.ungradable == personas * SETTINGS.samples + 1  # sampled under each, and greedy without
    assert card.problems_left_out == (asked.problems[0].id,)
    assert card.problems == SETTINGS.problems - 1
    assert card.stability.mean.value == card.neutral_greedy == 1


def test_a_cut_completion_is_counted() -> None:
    asked = protocol()
    answers = ask(scripted({}), asked)
    problems = [answer for answer in answers if answer.task == "problem"]
    cut = [replace(answer, finished=answer is not problems[0]) for answer in answers]
    assert make_scorecard(cut, asked, SETTINGS, "scripted").cut == pytest.approx(1 / len(problems))


def test_the_file_keeps_it_whole_and_a_bad_one_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no scorecard at .*scorecard\.json"):
        read_scorecard(tmp_path)
    card = scorecard({"organism/hasty-pirate": 0.5})
    path = write_scorecard(card, tmp_path)
    assert read_scorecard(tmp_path) == card
    path.write_text(path.read_text().replace('"samples"', '"sample"'))
    with pytest.raises(ValueError, match=r"scorecard\.json is no scorecard.*evaluate the model again(.|\n)*samples"):
        read_scorecard(tmp_path)


def test_an_interval_holds_its_value() -> None:
    with pytest.raises(ValidationError, match="does not hold the value"):
        Estimate(value=0.5, low=0.6, high=0.7)


def test_metrics_are_plain_figures() -> None:
    metrics = scorecard({}).metrics()
    for name in ("pss", "pss_low", "pss_high", "noise_floor", "neutral", "worst", "fidelity", "fidelity_solving"):
        assert 0 <= metrics[name] <= 1
    assert metrics["accuracy_roleplay"] == 1
