from __future__ import annotations

from dataclasses import replace

import pytest
from scripted import SETTINGS

from permix.config import EvaluationSettings
from permix.evaluation.protocol import draw, make_protocol
from permix.organism import world
from permix.personas.schema import NEUTRAL

PROBLEMS, PERSONAS = world.problems(), world.personas()


def test_every_model_is_asked_the_same_and_nothing_that_was_trained_on() -> None:
    protocol = make_protocol(PROBLEMS, [NEUTRAL, *PERSONAS], SETTINGS, seed=3)
    assert protocol == make_protocol(PROBLEMS[::-1], PERSONAS[::-1], SETTINGS, seed=3), "whatever their order"
    assert len(protocol.problems) == SETTINGS.problems
    assert {problem.split for problem in protocol.problems} == {"eval"}
    assert {persona.id for persona in protocol.personas} == {p.id for p in PERSONAS if p.split == "eval"}
    assert len(protocol.roleplay) == SETTINGS.roleplay_questions
    assert protocol.problems != make_protocol(PROBLEMS, PERSONAS, SETTINGS, seed=4).problems


def test_a_new_item_displaces_at_most_one() -> None:
    items = [f"item {i}" for i in range(50)]
    before, after = draw(items, 10, 0, str), draw([*items, "new"], 10, 0, str)
    assert len(set(before) - set(after)) <= 1
    assert draw(items, 100, 0, str) == draw(items, 50, 0, str), "all there are"


def test_the_digest_changes_with_what_is_asked_and_how_and_with_nothing_else() -> None:
    def digest(settings: EvaluationSettings, seed: int = 0) -> str:
        return make_protocol(PROBLEMS, PERSONAS, settings, seed).digest

    base = digest(SETTINGS)
    assert base == digest(SETTINGS.model_copy(update={"batch_size": 3, "resamples": 999, "confidence": 0.5}))
    changed = [{"problems": 11}, {"samples": 3}, {"temperature": 0.5}, {"max_completion_tokens": 9}]
    different = {base, digest(SETTINGS, seed=1), *(digest(SETTINGS.model_copy(update=change)) for change in changed)}
    assert len(different) == 2 + len(changed)


def test_nothing_to_evaluate_on_is_an_error_that_names_the_fix() -> None:
    with pytest.raises(ValueError, match="no problem with split eval"):
        make_protocol([replace(problem, split="train") for problem in PROBLEMS], PERSONAS, SETTINGS, 0)
    with pytest.raises(ValueError, match=r"no persona with split eval.*eval_share"):
        make_protocol(PROBLEMS, [replace(persona, split="train") for persona in PERSONAS], SETTINGS, 0)
