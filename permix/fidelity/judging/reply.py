"""The score in a judge's reply: 1 to 5, or none. Never a guess: what can be read two ways has no score.

PersonaGym asks for a last sentence like "Therefore, the final score is ...". Judges write that in many ways, and some
not at all. The last sentence that speaks of a final score and has a number in it decides. Where there is none, the
last sentence may give a score ("Score: 4", "I would give it a 4", "4/5", "4"), and so may sentences that begin with
one, of judges that put it first and their reasons after; all must agree.

Left out: languages other than English, and scores between two whole ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_NO_SCORE = "¤"
"""Stands for a number that is given as a score and cannot be one: 4.5, 8/10, "3 or 4"."""

# In this order; what is left has scores as single digits, and no markup.
_PLAIN: tuple[tuple[str, str], ...] = (
    (r"\d{10,}", _NO_SCORE),
    (r"<think>.*?(?:</think>|\Z)", " "),
    (r"\\boxed|\\text", " "),
    (r"[*_`#\"“”'’‘\[\](){}<>$]", " "),
    (r"\btwo\b", "2"), (r"\bthree\b", "3"), (r"\bfour\b", "4"), (r"\bfive\b", "5"),
    # "One" is mostly no number: "which is one of ...".
    (r"(?<=\bis|\bof|\bas|.\ba)\s+one(?=\s*(?:[.,;!]|\Z|out of\b|/))", " 1"),
    (r"[ \t]+", " "),
    # The scale itself: "on a scale of 1 to 5", "from 1 to 5", "on the 1-5 scale", "max 5".
    (r"\b(?:on|from|in|using)? ?(?:a|the)? ?(?:scale|range)? ?(?:of|from)? ?\b1 ?(?:to|-|–) ?5\b(?: scale)?", " "),
    (r"(\d+(?:\.\d+)?) ?(?:/|out of) ?(?:a possible |the )?5(?:\.0)?\b(?!\.\d)", r"\1⁄"),
    (r"\d+(?:\.\d+)? ?(?:/|out of) ?(?:\d+(?:\.\d+)?|ten)\b", _NO_SCORE),
    (r"(?<![\d.])(\d+)\.0\b", r"\1"),
    (r"-?\d+\.\d+⁄?|\d+ ?%|(?<![\w\s])-\d+|(?<=[:=] )-\d+", _NO_SCORE),
    (r"\d+⁄? ?(?:,? ?or(?: even| maybe| perhaps)?(?: a)?|to|and|-|–|—) ?\d+⁄?", _NO_SCORE),
    # A title on a line of its own belongs to what follows.
    (r"\b(score|rating|grade|result) ?[:=]? ?\n\s*(?=\d)", r"\1: "),
)  # fmt: skip

_NUMBER = rf"(?P<score>\d+|{_NO_SCORE})(?!\w|\s*[+*/×]?\s*[\d{_NO_SCORE}])"
_FILLER = r"(?:(?:an?|only|just|clearly|therefore|thus|hence|score of|solid|strong|full|perfect)\s+){0,4}"
_NAMED = r"\b(?:score|rating|grade|result)\b"
_BETWEEN = rf"[^.;!?\d{_NO_SCORE}]{{0,80}}?"
_STATED = re.compile(
    rf"{_NAMED}(?:{_BETWEEN}(?:\b(?:is|of|be|as|at|to|remains)\b|[:=→]|\s[-–—](?=\s)))?\s*{_FILLER}{_NUMBER}", re.I
)
_GIVEN = re.compile(
    r"\b(?:giv(?:e|es|en|ing)|rated?|assign(?:ed)?|award(?:ed)?|scored?|scores|deserves|earns|merits)\b"
    rf"{_BETWEEN}\b(?:an?|it|as|at|this|response|reply|answer|scores|deserves|earns|merits)\s+{_FILLER}{_NUMBER}",
    re.I,
)
_SCALED = re.compile(r"(?P<score>\d+)⁄")
_ALONE = re.compile(rf"\W*(?P<score>\d+|{_NO_SCORE})\W*")
_LEADING = re.compile(rf"\W*(?:(?:overall|my|the)\s+)?{_NAMED}\s*(?:is)?\s*[:=-]?\s*{_NUMBER}", re.I)


def read_score(reply: str) -> int | None:
    """The score that a judge's reply ends in; None where there is none, more than one, or none from 1 to 5."""
    sentences = _sentences(reply)
    for sentence in reversed(sentences):
        if re.search(r"\bfinal (?:score|rating|grade)\b", sentence, re.I) and re.search(rf"[\d{_NO_SCORE}]", sentence):
            return _agreed(_STATED.finditer(sentence))
    last = sentences[-1] if sentences else ""
    alone = _ALONE.fullmatch(last)
    found = [*_STATED.finditer(last), *_GIVEN.finditer(last), *_SCALED.finditer(last), *([alone] if alone else [])]
    return _agreed([*found, *(match for sentence in sentences if (match := _LEADING.match(sentence)))])


def _sentences(reply: str) -> list[str]:
    for pattern, replacement in _PLAIN:
        reply = re.sub(pattern, replacement, reply, flags=re.IGNORECASE | re.DOTALL)
    return [part.strip() for part in re.split(r"\n|[.!?](?=\s|\Z)", reply) if re.search(rf"[\w{_NO_SCORE}]", part)]


def _agreed(matches: Iterable[re.Match[str]]) -> int | None:
    """The one score that all name."""
    scores = {match["score"] for match in matches}
    return int(scores.pop()) if len(scores) == 1 and scores <= set("12345") else None
