from __future__ import annotations

import numpy as np
import pytest

from permix.fidelity.judging.judge import Judgement
from permix.fidelity.judging.questions import TASKS, Question
from permix.fidelity.judging.scores import krippendorff_alpha, persona_score

NAN = float("nan")


def judgements(scores: dict[str, dict[str, list[int | None]]]) -> list[Judgement]:
    """By judge and persona, a score a task."""
    return [
        Judgement(Question(persona, task, "?"), "reply", False, judge, score, "", 1)
        for judge, personas in scores.items()
        for persona, row in personas.items()
        for task, score in zip(TASKS, row, strict=True)
    ]


def test_figures_by_hand() -> None:
    figures = persona_score(
        judgements(
            {
                "one": {"a": [5, 4, 3, 2, 1], "b": [5, 5, 5, 5, 5]},
                "two": {"a": [3, 4, 3, 4, 1], "b": [5, 5, 5, 5, 3]},
            }
        )
    )
    assert {task: estimate.value for task, estimate in figures.tasks.items()} == dict(
        zip(TASKS, (4.5, 4.5, 4, 4, 2.5), strict=True)
    )
    assert figures.persona_score.value == pytest.approx(19.5 / 5)
    assert figures.personas == {"a": pytest.approx(3.0), "b": pytest.approx(4.8)}
    assert figures.agreement is not None
    assert (figures.agreement.exact, figures.agreement.within_one) == (0.7, 0.7)


def test_a_reply_that_a_judge_did_not_score_is_left_out_for_all() -> None:
    """Else the lenient judge alone would speak for it."""
    asked = [Question("a", task, text) for task in TASKS for text in ("first", "second")]
    rows = [Judgement(question, "r", False, "strict", 2, "", 1) for question in asked]
    rows += [Judgement(question, "r", False, "lenient", 4, "", 1) for question in asked]
    rows[0] = Judgement(asked[0], "r", False, "strict", None, "", 3)
    figures = persona_score(rows)
    assert (figures.questions, figures.unscored) == (10, 1)
    assert figures.tasks[TASKS[0]].value == 3
    assert figures.persona_score.value == 3


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    """200 simulated benchmarks of 40 personas, whose own levels differ."""
    rng = np.random.default_rng(0)
    levels = np.array([1, 2, 3, 4, 5])
    low, high = np.array([0.1, 0.2, 0.3, 0.3, 0.1]), np.array([0.0, 0.1, 0.2, 0.3, 0.4])
    truth = float(levels @ (low + high) / 2)
    held = 0
    for _ in range(200):
        odds = [low if rng.random() < 0.5 else high for _ in range(40)]
        rows = {f"{n}": [int(score) for score in rng.choice(levels, 5, p=p)] for n, p in enumerate(odds)}
        figure = persona_score(judgements({"one": rows}), resamples=400).persona_score
        held += figure.low <= truth <= figure.high
    assert 0.89 <= held / 200 <= 0.98


def test_alpha_of_krippendorffs_own_example() -> None:
    """Krippendorff, Computing Krippendorff's alpha-reliability (2011), example C: 0.849 with the interval metric."""
    observers = [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, NAN, NAN, NAN],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NAN, 3],
        [NAN, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NAN],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NAN],
    ]
    assert krippendorff_alpha(np.array(observers).T) == pytest.approx(0.849, abs=5e-4)


def test_alpha_of_agreement_chance_and_one_value() -> None:
    rng = np.random.default_rng(0)
    one = rng.integers(1, 6, 2000).astype(float)
    assert krippendorff_alpha(np.stack([one, one], axis=1)) == 1
    assert krippendorff_alpha(np.stack([one, rng.permutation(one)], axis=1)) == pytest.approx(0, abs=0.06)
    assert krippendorff_alpha(np.full((4, 2), 5.0)) is None
    assert krippendorff_alpha(np.array([[5, NAN], [NAN, 2]])) is None


def test_impossible_scores_are_refused() -> None:
    rows = judgements({"one": {"a": [5, 4, 3, 2, 1]}, "two": {"a": [3, 4, 3, 4, 1]}})
    with pytest.raises(ValueError, match="need one each"):
        persona_score(rows[1:])
    with pytest.raises(ValueError, match="need one each"):
        persona_score([*rows, rows[0]])
    with pytest.raises(ValueError, match="one scored 0"):
        persona_score(judgements({"one": {"a": [0, 4, 3, 2, 1]}}))
    with pytest.raises(ValueError, match="no PersonaScore"):
        persona_score([])
