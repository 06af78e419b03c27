"""Role-play questions: what a persona is asked where its fidelity is measured, not its accuracy.

Everyday, opinion, advice, story: open questions that no persona is at a loss for. None of them, nor a near copy, is a
question of a training (`permix/training/roleplay.jsonl`).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

FILE = Path(__file__).with_name("questions.jsonl")


def evaluation_questions() -> tuple[str, ...]:
    """What an evaluation asks."""
    return _questions("evaluation")


def probe_questions() -> tuple[str, ...]:
    """A small set of its own for probes during a training; held out from the training and from the evaluation."""
    return _questions("probe")


def _questions(use: Literal["evaluation", "probe"]) -> tuple[str, ...]:
    rows = map(json.loads, FILE.read_text(encoding="utf-8").splitlines())
    return tuple(row["question"] for row in rows if row["use"] == use)
