from __future__ import annotations

import numpy as np
import pytest
from scripted import scorecard

from permix.evaluation.evaluate import with_judges
from permix.evaluation.scorecard import Scorecard
from permix.fidelity.judging.figures import PersonaGymScore
from permix.fidelity.judging.judge import Judgement
from permix.fidelity.judging.pairs import with_judges_difference
from permix.fidelity.judging.questions import TASKS, Question
from permix.fidelity.judging.scores import persona_score
from permix.statistics.difference import Difference

VOICE = {"fidelity": Difference(candidate=1, reference=0, difference=1, relative=None, low=0.9, high=1, probability=1)}


def figures(scores: dict[str, int]) -> PersonaGymScore:
    """Of personas that have one score in every task."""
    rows = [
        Judgement(Question(persona, task, "?"), "reply", False, "judge", score, "", 1)
        for persona, score in scores.items()
        for task in TASKS
    ]
    return persona_score(rows, resamples=200)


@pytest.fixture(scope="module")
def plain() -> Scorecard:
    return scorecard({})


def test_judged_fidelities_are_compared_persona_by_persona(plain: Scorecard) -> None:
    rng = np.random.default_rng(0)
    levels = {f"persona {n}": int(level) for n, level in enumerate(rng.integers(1, 5, 40))}
    worse, better = figures(levels), figures({name: level + (n % 2) for n, (name, level) in enumerate(levels.items())})
    cards = [with_judges(plain, of, "asked") for of in (better, worse)]
    found = with_judges_difference(VOICE, *(card.fidelity.judged for card in cards))["fidelity"]
    assert cards[0].fidelity.roleplay is not None
    assert found.candidate == pytest.approx(cards[0].fidelity.roleplay.value)
    assert found.difference == pytest.approx(0.5 / 4)
    # Personas differ by far more than the models do; paired, that cancels.
    assert found.low > 0.05
    assert found.high < 0.2
    assert found.probability > 0.99


def test_a_judged_model_and_a_heard_one_do_not_compare(plain: Scorecard) -> None:
    judged = with_judges(plain, figures({"a": 4, "b": 2}), "asked")
    assert with_judges_difference(VOICE, plain.fidelity.judged, plain.fidelity.judged) == VOICE
    assert with_judges_difference(VOICE, judged.fidelity.judged, plain.fidelity.judged) == {}
    assert with_judges_difference(VOICE, judged.fidelity.judged, figures({"c": 4, "d": 2})) == {}


def test_a_judged_scorecard_has_its_own_protocol_and_says_who_judged(plain: Scorecard) -> None:
    judged = with_judges(plain, figures({"a": 4, "b": 2}), "asked")
    assert judged.fidelity.roleplay is not None
    assert (judged.fidelity.roleplay.value, judged.fidelity.judge) == (0.5, "PersonaGym's protocol, judged by judge")
    assert judged.fidelity.solving == plain.fidelity.solving
    assert len({plain.protocol, judged.protocol, with_judges(plain, figures({"a": 4}), "else").protocol}) == 3
    assert Scorecard.model_validate_json(judged.model_dump_json()) == judged
