"""What a problem is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Split = Literal["train", "eval"]


@dataclass(frozen=True)
class Problem:
    """A question with a gold answer that a program can check."""

    id: str
    """Unique in a curated set; `source/row`."""
    question: str
    gold: str
    r"""The answer as the verifier reads it: bare (`18`, `2\sqrt{3}`), not boxed."""
    source: str
    split: Split
    solution: str | None = None
    """A reference solution, as a whole answer, which the sft arm learns from; None where the source has none."""
    subject: str = ""
    level: str = ""
