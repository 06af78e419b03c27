from __future__ import annotations

import json
import random

import pytest

from permix.training.accuracy import MEMORY, Tally, observe


def test_what_is_right_is_counted_and_what_has_no_verdict_is_not() -> None:
    tallies = observe({}, [("pirate", 1.0), ("pirate", 0.0), ("chef", None), ("pirate", 1.0)])
    assert set(tallies) == {"pirate"}
    assert (tallies["pirate"]["graded"], tallies["pirate"]["correct"]) == (3, 2)


def test_nothing_graded_nothing_known() -> None:
    assert observe({}, [("pirate", None)]) == {}


def test_the_running_accuracy_follows_what_changes() -> None:
    rng, tallies = random.Random(0), {}
    for step in range(400):
        chance = 0.2 if step < 200 else 0.9
        tallies = observe(tallies, [("pirate", float(rng.random() < chance)) for _ in range(4)])
        if step in {199, 399}:
            # Four standard deviations of an exponential average: variance p(1-p) / (2 MEMORY - 1).
            assert tallies["pirate"]["running"] == pytest.approx(chance, abs=4 * (chance / (2 * MEMORY - 1)) ** 0.5)
    assert tallies["pirate"]["correct"] / tallies["pirate"]["graded"] == pytest.approx(0.55, abs=0.1)


def test_a_newcomer_starts_from_the_others() -> None:
    tallies = {"a": Tally(graded=9, correct=2, running=0.2), "b": Tally(graded=9, correct=4, running=0.4)}
    after = observe(tallies, [("new", 1.0)])
    assert after["new"]["running"] == pytest.approx(0.3 + 0.7 / MEMORY)
    assert after["a"] == tallies["a"]


def test_the_order_within_a_step_does_not_matter_and_json_keeps_every_bit() -> None:
    step = [("a", 1.0), ("b", 0.0), ("a", 0.0), ("c", 1.0)] * 7
    tallies = observe({}, step)
    assert observe({}, step[::-1]) == tallies
    # Nor does the order of the tallies, which a checkpoint sorts.
    turned = dict(reversed(tallies.items()))
    tenths = [(f"n{n}", n / 10) for n in range(9)]
    tallies, turned = observe(tallies, tenths), observe(turned, tenths[::-1])
    assert observe(tallies, [("new", 1.0)]) == observe(turned, [("new", 1.0)])
    assert json.loads(json.dumps(tallies)) == tallies
