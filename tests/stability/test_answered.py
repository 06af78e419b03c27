from __future__ import annotations

import numpy as np
import pytest

from permix.stability.answered import MUCH_ANSWERED, form_warning, measure_answered
from permix.stability.outcomes import Outcomes

PERSONAS = ("talkative", "terse")
RIGHT = 0.8


def model(answers: tuple[float, float, float], problems: int = 200) -> tuple[Outcomes, np.ndarray]:
    """A model that is right in RIGHT of its answers under every persona, and answers in these shares: neutral first."""
    rng = np.random.default_rng(0)
    answered = (rng.random((problems, 3, 2)) < np.array(answers)[None, :, None]).astype(float)
    correct = answered * (rng.random(answered.shape) < RIGHT)
    names = tuple(f"problem {n}" for n in range(problems))
    return Outcomes(names, PERSONAS, correct[:, 1:], correct[:, 0]), answered


def test_a_persona_that_spoils_the_form_alone_is_told_from_one_that_spoils_the_sum() -> None:
    solved, answered = model((1.0, 0.4, 1.0))
    found = measure_answered(solved, answered, cut=0.25, resamples=200, confidence=0.95, seed=0)
    assert found.worst_persona == "talkative"
    assert found.worst.low < 0.4 < found.worst.high
    assert found.mean.value == pytest.approx(answered[:, 1:].mean())
    assert found.neutral.value == 1
    assert found.cut + found.ended == pytest.approx(1 - found.mean.value)
    accuracies = solved.rates().mean(axis=0)
    assert accuracies[1] / accuracies[2] < 0.55
    # Among its answers the talkative persona is as good as the other.
    assert found.among is not None
    assert found.among.pss.value > 0.9
    assert found.among.mean.low < RIGHT < found.among.mean.high


def test_where_all_is_answered_the_panel_among_the_answered_is_the_panel() -> None:
    solved, answered = model((1.0, 1.0, 1.0))
    found = measure_answered(solved, answered, cut=0.0, resamples=200, confidence=0.95, seed=0)
    assert found.among is not None
    assert found.among.mean.value == pytest.approx(solved.rates()[:, 1:].mean())
    assert form_warning(found) is None


def test_a_persona_without_any_answer_leaves_no_panel() -> None:
    solved, answered = model((1.0, 0.0, 1.0))
    found = measure_answered(solved, answered, cut=0.1, resamples=50, confidence=0.95, seed=0)
    assert found.among is None
    assert "under some persona nothing was answered" in str(form_warning(found))


@pytest.mark.parametrize(
    ("share", "said"),
    [
        (0.0, "no completion under a persona holds an answer where it is read (25% were cut, 75% ended without one)"),
        (0.5, "25% were cut before one"),
        (MUCH_ANSWERED + 0.08, None),
    ],
)
def test_a_low_share_is_warned_of(share: float, said: str | None) -> None:
    solved, answered = model((1.0, share, share))
    found = measure_answered(solved, answered, cut=0.25 * (said is not None), resamples=50, confidence=0.95, seed=0)
    warning = form_warning(found)
    assert (warning is None) == (said is None)
    assert said is None or said in str(warning)


def test_where_no_problem_was_answered_under_all_personas_there_still_is_a_pss_among_the_answered() -> None:
    rng = np.random.default_rng(1)
    answered = np.zeros((30, 21, 1))
    answered[np.arange(30), np.arange(30) % 21, 0] = 1
    answered[:, 0] = 1
    correct = answered * (rng.random(answered.shape) < RIGHT)
    names = tuple(f"problem {n}" for n in range(30)), tuple(f"persona {n}" for n in range(20))
    solved = Outcomes(*names, correct[:, 1:], correct[:, 0])
    assert not (answered == 1).all(axis=(1, 2)).any()
    found = measure_answered(solved, answered, cut=0.0, resamples=100, confidence=0.95, seed=0)
    assert found.among is not None
    assert 0 <= found.among.pss.low <= found.among.pss.high <= 1
