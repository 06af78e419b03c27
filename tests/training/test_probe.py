from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from permix.organism import world
from permix.personas.spread import spread
from permix.training.probe import Probe, append_probe, best, forget_probes, hold_out, read_probes

PROBLEMS = [problem for problem in world.problems() if problem.split == "train"]
PERSONAS = [persona for persona in world.personas() if persona.split == "train"]


def test_held_out_problems_are_not_trained_on_and_follow_from_the_problems_alone() -> None:
    held, rest = hold_out(PROBLEMS, 24)
    assert len(held) == 24
    assert sorted([*held, *rest], key=PROBLEMS.index) == PROBLEMS
    shuffled = random.Random(1).sample(PROBLEMS, len(PROBLEMS))
    assert set(hold_out(shuffled, 24)[0]) == set(held)
    # A problem that comes or goes moves at most one other.
    fewer = hold_out([problem for problem in PROBLEMS if problem != held[0]], 24)[0]
    assert len(set(fewer) - set(held)) == 1


def test_more_than_half_cannot_be_held_out() -> None:
    with pytest.raises(ValueError, match=r"training.probe_problems is 24, but there are only 47 .* at most half"):
        hold_out(PROBLEMS[:47], 24)


def test_personas_are_spread_over_the_kinds() -> None:
    kinds = Counter(persona.kind for persona in spread(PERSONAS, 8))
    assert set(kinds) == {persona.kind for persona in PERSONAS}
    assert max(kinds.values()) - min(kinds.values()) <= 1
    assert spread(PERSONAS, 8) == spread(PERSONAS[::-1], 8)
    assert len(spread(PERSONAS, 10_000)) == len(PERSONAS)
    assert spread([], 8) == []


def test_the_best_is_the_highest_mean_and_of_equals_the_latest(tmp_path: Path) -> None:
    file = tmp_path / "probes.jsonl"
    probes = [
        Probe(0, {"neutral": 0.5, "a": 0.1}),
        Probe(5, {"neutral": 0.9, "a": 0.3}),
        Probe(10, {"neutral": 0.6, "a": 0.6}),
        Probe(15, {"neutral": 1.0, "a": 0.0}),
    ]
    for probe in probes:
        append_probe(file, probe)
    assert read_probes(file) == probes
    assert best(probes).step == 10
    assert probes[1].metrics() == {"held_out/mean": 0.6, "held_out/worst": 0.3, "held_out/neutral": 0.9}
    # A killed training forgets what it did after its checkpoint; a half-written line never was.
    with file.open("a") as lines:
        lines.write('{"step": 20, "accu')
    forget_probes(file, after=5)
    assert read_probes(file) == probes[:2]
