from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from permix.training.progress import Progress, append_progress, forget_progress, read_progress

STEP = Progress(1, 9, reward=0.5, kl=None, entropy=1.0, length=9.0, zero_advantage=0.0, seconds=1.0)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    file = tmp_path / "progress.jsonl"
    assert read_progress(file) == []
    steps = [replace(STEP, step=n, reward=None if n == 2 else 0.1 * n) for n in (1, 2, 3)]
    for step in steps:
        append_progress(file, step)
    assert read_progress(file) == steps


def test_a_line_that_is_still_being_written_is_left_out(tmp_path: Path) -> None:
    file = tmp_path / "progress.jsonl"
    append_progress(file, STEP)
    with file.open("a") as lines:
        lines.write('{"step": 2, "ste')
    assert read_progress(file) == [STEP]
    # A resumed child drops it.
    forget_progress(file, after=1)
    append_progress(file, replace(STEP, step=2))
    assert [step.step for step in read_progress(file)] == [1, 2]


def test_steps_after_the_checkpoint_are_forgotten(tmp_path: Path) -> None:
    file = tmp_path / "progress.jsonl"
    for n in range(1, 8):
        append_progress(file, replace(STEP, step=n))
    forget_progress(file, after=5)
    assert [step.step for step in read_progress(file)] == [1, 2, 3, 4, 5]
