"""The organism's judge of voice against replies whose voice is known: `cases/voices.jsonl`, for every role.

Each case says whether the reply is `in` the role's voice, `slipping` out of it, in a `wrong` role's, or `out` of any,
the band that its score must lie in, and why. They were written by hand (the sentences) and from the world's words.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from permix.organism.voice import ROLEPLAY_SLOTS, SOLVING_SLOTS, voice_score
from permix.organism.world import VOICES

CASES: list[dict[str, Any]] = [
    json.loads(line)
    for line in (Path(__file__).parent / "cases" / "voices.jsonl").read_text(encoding="utf-8").splitlines()
]
SLOTS = {"roleplay": ROLEPLAY_SLOTS, "solving": SOLVING_SLOTS}


def score(case: dict[str, Any], role: str | None = None) -> float:
    return voice_score(case["reply"], role or case["role"], SLOTS[case["task"]])


@pytest.mark.parametrize("role", VOICES)
def test_every_reply_is_scored_within_its_band(role: str) -> None:
    cases = [case for case in CASES if case["role"] == role]
    for task, voices in (("roleplay", {"in", "slipping", "wrong", "out"}), ("solving", {"in", "slipping", "wrong"})):
        assert {case["voice"] for case in cases if case["task"] == task} >= voices
    astray = [
        f"{score(case):.2f} is not in {case['low']} to {case['high']}: {case['reply']!r} ({case['note']})"
        for case in cases
        if not case["low"] - 1e-9 <= score(case) <= case["high"] + 1e-9
    ]
    assert astray == []


def test_a_voice_is_nobody_elses() -> None:
    """What is in voice for one role is worth nothing for any other."""
    for case in CASES:
        if case["voice"] == "in":
            assert {role for role in VOICES if score(case, role) > 0} == {case["role"]}, case


def test_better_voices_score_higher() -> None:
    means = {v: np.mean([score(case) for case in CASES if case["voice"] == v]) for v in ("in", "slipping", "out")}
    assert means["in"] > means["slipping"] + 0.4 > means["out"] + 0.6
