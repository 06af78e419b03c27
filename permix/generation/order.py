"""In which order prompts are read, so that those of one batch have much in common."""

from __future__ import annotations

from collections.abc import Sequence

from permix.generation.completion import Chat


def reading_order(prompts: Sequence[Chat], lengths: Sequence[int]) -> list[int]:
    """Numbers of the prompts, persona by persona (by their first message), long prompts first.

    Neighbours then begin alike, so that the beginning is read once, and are alike in length, so that little is padded.
    The persona with the longest prompt comes first: what does not fit in memory fails at once, not after an hour.
    """
    longest: dict[str, int] = {}
    for prompt, length in zip(prompts, lengths, strict=True):
        begins = prompt[0]["content"]
        longest[begins] = max(longest.get(begins, 0), length)

    def place(row: int) -> tuple[int, str, int]:
        begins = prompts[row][0]["content"]
        return -longest[begins], begins, -lengths[row]

    return sorted(range(len(prompts)), key=place)
