"""How far is a training? The child appends lines of JSON; whoever watches reads them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Progress:
    """One optimizer step."""

    step: int
    """From 1."""
    steps: int
    reward: float | None
    """Mean over the step's completions; None if none could be graded, or the arm has none."""
    kl: float | None
    """Nats a token from the base model; None if its weight is 0."""
    entropy: float
    """Nats a token."""
    length: float | None
    """Mean tokens of a completion; None in an arm that writes none."""
    zero_advantage: float | None
    """Share of groups whose members all got the same reward, and so teach nothing; None where there are no groups."""
    seconds: float
    """Since this child began to train."""
    loss: float | None = None
    """Of the arm: cross-entropy in nats a token, or GRPO's."""


def append_progress(file: Path, progress: Progress) -> None:
    """Add a step."""
    with file.open("a", encoding="utf-8") as lines:
        lines.write(_line(progress))


def read_progress(file: Path) -> list[Progress]:
    """The steps so far; a line that is still being written is left out."""
    if not file.is_file():
        return []
    text = file.read_text(encoding="utf-8")
    return [Progress(**json.loads(line)) for line in text[: text.rfind("\n") + 1].splitlines()]


def forget_progress(file: Path, after: int) -> None:
    """Remove the steps after a checkpoint: they are done again."""
    kept = [_line(progress) for progress in read_progress(file) if progress.step <= after]
    file.write_text("".join(kept), encoding="utf-8")


def _line(progress: Progress) -> str:
    return json.dumps(asdict(progress)) + "\n"
