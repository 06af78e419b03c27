from __future__ import annotations

import numpy as np
import pytest

from permix.fidelity.attribution import RECITES, Attribution, Reading, Reply, candidate_sets, measure_attribution
from permix.personas.schema import NEUTRAL

NAMES = [f"p{n:02}" for n in range(16)]


def reading(persona: str, copied: float = 0.0, **log_probs: tuple[float, ...]) -> Reading:
    return Reading(Reply(persona, "How was your day?", "..."), log_probs, copied=copied)


def measured(readings: list[Reading], tokens: int = 32) -> Attribution:
    return measure_attribution(readings, resamples=200, confidence=0.95, seed=0, tokens=tokens)


def test_the_figures_of_three_replies_by_hand() -> None:
    found = measured(
        [
            reading("a", a=(-1.0, -1.0), b=(-2.0, -2.0), c=(-3.0, -3.0), neutral=(-2.0, -1.5)),
            reading("a", a=(-3.0, -1.0), b=(-1.0, -1.0), c=(-5.0, -1.0), neutral=(-2.0, -2.0)),
            reading("b", a=(-3.0,), b=(-1.0,), c=(-2.0,), neutral=(-3.0,)),
        ]
    )
    assert found.chance == pytest.approx(1 / 3)
    assert found.attribution.value == pytest.approx((0.5 + 1) / 2)
    assert found.reciprocal_rank.value == pytest.approx((0.75 + 1) / 2)
    assert found.expressivity.value == pytest.approx(((1.5 + 0.0) / 4 + 2) / 2)
    assert found.confusion == {"a": {"a": 1.0, "b": 1.0}, "b": {"b": 1.0}}
    assert (found.replies, found.candidates, found.short, found.empty) == (3, 3, 3, 0)


def test_the_common_length_and_the_whole_reply_are_told_apart() -> None:
    late = reading("a", a=(-2.0, -1.0, -1.0), b=(-1.0, -3.0, -3.0), neutral=(-1.0, -1.0, -1.0))
    other = reading("b", a=(-2.0,), b=(-1.0,), neutral=(-1.5,))
    found = measured([late, other], tokens=1)
    assert (found.attribution.value, found.attribution_whole.value) == (0.5, 1.0)


def test_candidates_that_tie_share_the_reply() -> None:
    tie = reading("a", a=(-1.0,), b=(-1.0,), c=(-2.0,), neutral=(-1.0,))
    assert (tie.attributed(), tie.reciprocal_rank()) == (0.5, 0.75)
    assert tie.likeliest() == ("a", "b")


def test_an_empty_reply_is_counted_and_attributed_to_nobody() -> None:
    empty = reading("a", a=(), b=(), neutral=())
    found = measured([empty, reading("b", a=(-2.0,), b=(-1.0,), neutral=(-1.5,))])
    assert (found.empty, found.attribution.value, found.reciprocal_rank.value) == (1, 0.5, 0.5)
    assert found.confusion["a"] == {"nobody": 1.0}
    assert found.by_persona["a"].expressivity == 0


def test_a_pruned_candidate_wins_nothing_and_ranks_by_what_was_read() -> None:
    pruned = reading("a", a=(-3.0, -1.0), b=(-1.0, -1.0), c=(-2.0,), d=(-9.0,), neutral=(-1.0, -1.0))
    assert pruned.likeliest() == ("b",)
    assert pruned.reciprocal_rank() == pytest.approx(1 / 3)
    found = measured([pruned, reading("b", a=(-2.0,), b=(-1.0,), c=(-3.0,), d=(-3.0,), neutral=(-1.0,))])
    assert found.pruned == pytest.approx(2 / 6)


def test_a_model_that_recites_its_prompts_is_flagged() -> None:
    log_probs = {"a": (-1.0,), "b": (-2.0,), "neutral": (-2.0,)}
    for copied, flagged in ((RECITES - 0.01, False), (RECITES, True)):
        assert measured([reading("a", copied, **log_probs), reading("b", copied, **log_probs)]).recites is flagged


def test_bad_input_is_told() -> None:
    one = reading("a", a=(-1.0,), b=(-2.0,), neutral=(-2.0,))
    with pytest.raises(ValueError, match="there are 1: evaluate with more"):
        measured([one, one])
    with pytest.raises(ValueError, match=r"there are \[2, 3\]"):
        measured([one, reading("b", a=(-1.0,), b=(-2.0,), c=(-2.0,), neutral=(-2.0,))])
    with pytest.raises(ValueError, match="one of two candidates"):
        candidate_sets(["a"], 16, 0)


def test_candidates_are_drawn_by_seed_alone() -> None:
    names = [f"p{n}" for n in range(37)]
    sets = candidate_sets(names, 16, 0)
    assert {len(found) for found in sets} == {16}
    assert {name for found in sets for name in found} == set(names)
    assert sets == candidate_sets(names[::-1], 16, 0) != candidate_sets(names, 16, 1)
    assert candidate_sets(names, 100, 0) == [tuple(sorted(names))]


def simulated(strengths: np.ndarray, questions: int, rng: np.random.Generator) -> list[Reading]:
    """Replies whose own persona is ahead by a strength, in noise of 1 nat; 0: no persona is heard."""
    found = []
    for name, strength in zip(NAMES, strengths, strict=True):
        for _ in range(questions):
            values = rng.normal(size=len(NAMES))
            values[NAMES.index(name)] += strength
            log_probs = dict(zip(NAMES, ((float(value),) for value in values), strict=True))
            found.append(reading(name, **log_probs, **{NEUTRAL.id: (0.0,)}))
    return found


def test_replies_in_which_no_persona_is_heard_come_out_at_chance() -> None:
    found = measured(simulated(np.zeros(16), 50, np.random.default_rng(0)))
    assert found.attribution.low <= found.chance <= found.attribution.high
    assert found.attribution.value == pytest.approx(1 / 16, abs=0.03)
    assert found.expressivity.value == pytest.approx(0, abs=0.1)


def test_the_intervals_hold_the_truth_at_their_rate() -> None:
    """Personas are drawn anew in each of 200 rounds, 8 replies each; an interval of 95 % must hold the mean of all."""
    rng = np.random.default_rng(0)

    def draw() -> np.ndarray:
        return rng.normal(2, 1, size=16)

    shares = [np.mean([r.attributed() for r in simulated(draw(), 8, rng)]) for _ in range(200)]
    truth, held = float(np.mean(shares)), 0
    for _ in range(200):
        interval = measured(simulated(draw(), 8, rng)).attribution
        held += interval.low <= truth <= interval.high
    assert 0.90 <= held / 200 <= 0.99
