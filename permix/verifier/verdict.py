"""What the verifier says of one completion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from permix.verifier.reading import Place

Word = Literal["correct", "incorrect", "ungradable"]


class Ruling(NamedTuple):
    """A verdict without the answer: what a pair of gold and answer comes to, however often it occurs."""

    verdict: Word
    reason: str


@dataclass(frozen=True)
class Verdict:
    """One completion judged against its gold."""

    verdict: Word
    """`ungradable` means that the gold, not the completion, is at fault."""
    answer: str | None
    """What stands in the place that was read; None where no answer was found."""
    reason: str
    """Why, in a few fixed words (docs/verifier.md lists them)."""
    place: Place | None = None
    """Where the answer stood; None where none was found, or an empty one."""

    @property
    def reward(self) -> float | None:
        """1.0 for correct, 0.0 for incorrect, None for ungradable (TRL leaves such a completion out)."""
        return {"correct": 1.0, "incorrect": 0.0, "ungradable": None}[self.verdict]
