"""Sentence by sentence: where a long reply falls out of character.

A figure for a whole reply hides that it begins in character and ends out of it; arXiv 2506.19352 therefore scores the
sentences. Here each has the reference's log-likelihood ratio, from the same tokens as the attribution. A sentence is
read behind those before it, so the first are the ones that give a persona away: one that merely goes on in a voice
that is known by then says little about who speaks, and its ratio is small.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from permix.fidelity.attribution import Reading
from permix.personas.schema import NEUTRAL


@dataclass(frozen=True)
class Sentence:
    """A sentence of a reply; ratios in nats, for all of its tokens together."""

    text: str
    tokens: int
    against_neutral: float
    """Log-likelihood under the persona that was asked, less under the neutral prompt. Negative: out of character."""
    against_best: float | None
    """The same against `best`; None where that candidate was not read so far."""
    best: str
    """The likeliest other candidate for the whole reply, by id."""


def by_sentence(reading: Reading) -> list[Sentence]:
    """The sentences of a reply with their ratios, as far as it was read; none for an empty reply.

    A sentence ends with `.`, `!`, `?` or `…` and a space, or at the end of a line. A token that lies on a border counts
    for the sentence in which it ends.
    """
    if not reading.tokens:
        return []
    own, neutral = (reading.log_probs[name] for name in (reading.reply.persona, NEUTRAL.id))
    best = _best_other(reading)
    other = reading.log_probs[best]
    text = reading.reply.text
    borders = [found.end() for found in re.finditer(r"[.!?…][\"'”’)*_]*\s+|\n+", text)]
    found, start, token = [], 0, 0
    for end in [*borders, len(text)]:
        last = token
        while last < reading.tokens and reading.ends[last] <= end:
            last += 1
        if last > token:
            span = slice(token, last)
            whole = len(other) >= last
            found.append(
                Sentence(
                    text[start : reading.ends[last - 1] if last == reading.tokens else end].strip(),
                    last - token,
                    sum(own[span]) - sum(neutral[span]),
                    sum(own[span]) - sum(other[span]) if whole else None,
                    best,
                )
            )
            start, token = end, last
    return found


def _best_other(reading: Reading) -> str:
    """Of the other candidates that were read furthest, the likeliest."""
    others = {name: reading.log_probs[name] for name in reading.candidates if name != reading.reply.persona}
    return max(others, key=lambda name: (len(others[name]), sum(others[name]), name))
