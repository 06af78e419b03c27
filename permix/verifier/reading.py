r"""Where the answer of a completion may stand, and which of these places decides.

`\boxed{}` alone is the default. The other places are for models that do not box; docs/verifier.md has the rule.
"""

from __future__ import annotations

import difflib
import re
from collections import deque
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Literal, NamedTuple, get_args

from permix.verifier.choice import chosen, letter_in
from permix.verifier.extract import last_box
from permix.verifier.lexer import NotAValueError, ascii_digits
from permix.verifier.parser import parse
from permix.verifier.prose import MATH, SENTENCE_END, claim, lines_from_end, only_value, sentences, values

Place = Literal["boxed", "hashes", "phrase", "tag", "choice", "number"]
Read = tuple[Place, ...]
"""Places in order of preference; not empty, none twice."""
PLACES: Read = get_args(Place)
BOXED: Read = ("boxed",)

_MOST_CHARS = 2_001
"""Enough of an answer to see that it is too long."""

_THINKING = re.compile(r"<(/?)(?:think|thinking|reasoning)>|\[(/?)THINK\]", re.IGNORECASE)
_FENCE = "```"
_TAG = re.compile(r"<(/?)answer>", re.IGNORECASE)
_HASHES = re.compile(r"####+")
_HEADING = re.compile(r"\b(?:answer|solution|step|explanation|conclusion|result|output|final)", re.IGNORECASE)
_BE = r"(?:is|are|was|=|:|equals|(?:would|will|should|must|can only) be|comes? (?:out )?(?:to|as))"
_PHRASE = re.compile(
    r"(?<!\ban )(?<!\bno )(?<!\bany )(?<!wrong )(?<!incorrect )"
    rf"\banswer[*_]*(?: (?:to|for|of|in)\b[^.:\n=?!]{{0,60}}?)? ?[*_]*\s?{_BE}(?![a-zA-Z])",
    re.IGNORECASE,
)
_HEADED = re.compile(r"[#*_ ]{0,20}(?:final |the )?answer[#*_: ]{0,20}", re.IGNORECASE)
_LEAD = re.compile(
    r"(?:[\s:=*_~>\"'`]|(?:\\\[|\$\$)\s*\n|\b(?:is|simply|therefore|actually|indeed|exactly|approximately|about|also|clearly|just|then|now"
    r"|probably|equal to|given by|the number|a total of|a|the|an)\b(?=[\s:*$\\]))*",
    re.IGNORECASE,
)
_AFTER_MATH = re.compile(r"[\s*_]*(?:,?\s*or\b|,\s*\$|and\s*\$|to\s*\$)", re.IGNORECASE)
_OR = re.compile(r"[\s\"'*_]*or\b", re.IGNORECASE)
_LIST_LINES = 60
_MARKS = 20
_LONGEST_HEADING = 60
_SHORT_TEXT_WORDS = 3
_DIRECTLY = 3


class Found(NamedTuple):
    """An answer, and where it stood."""

    place: Place
    text: str


def check_read(names: Iterable[str]) -> Read:
    """Names of places as a `Read`. Raises ValueError for an unknown name, one that is given twice, or none."""
    read: list[Place] = []
    for name in names:
        place = next((place for place in PLACES if place == name), None)
        if place is None:
            near = difflib.get_close_matches(name, PLACES, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"places are {', '.join(PLACES)}"
            raise ValueError(f"no place {name!r}: {hint}")
        if place in read:
            raise ValueError(f"a place is named twice: {name}; each can be read once")
        read.append(place)
    if not read:
        raise ValueError(f"no place to read an answer from; name at least one place of {', '.join(PLACES)}")
    return tuple(read)


def find_answer(completion: str, read: Read = BOXED) -> Found | None:
    r"""The answer in the first of these places that holds one; None where none does. Linear in the text's length.

    A box counts wherever it stands. The other places are read in the reply only: what follows finished thinking, or
    comes before thinking that is cut. With `choice` in `read` a letter is looked for, and the words, hashes and tags of
    a reply count where they hold one: leave it out where golds are no letters (`verify` does).
    """
    if read == BOXED:
        return _boxed(completion)
    reply, thought = _reply(completion)
    letters = "choice" in read
    empty: Found | None = None
    prose: str | None = None
    for place in read:
        if place == "boxed":
            found = _boxed(reply)
        elif place == "tag":
            found = _tagged(reply, letters=letters)
        else:
            if prose is None:
                prose = _without_code(reply)
            found = _in_prose(place, prose, letters=letters)
        if found is not None and found.text.strip():
            return found
        empty = empty or found
    if "boxed" in read and thought:
        return _boxed(completion) or empty
    return empty


def _boxed(text: str) -> Found | None:
    content = last_box(text)
    return None if content is None else Found("boxed", content)


def _in_prose(place: Place, prose: str, *, letters: bool) -> Found | None:
    if place == "hashes":
        text = _after_hashes(prose, letters=letters)
    elif place == "phrase":
        text = _after_phrase(prose, letters=letters)
    elif place == "choice":
        text = chosen(prose)
    else:
        text = _last_number(prose)
    return None if text is None else Found(place, text[:_MOST_CHARS])


def _reply(completion: str) -> tuple[str, bool]:
    """What is said after thinking, or before thinking that is cut; and whether there was thinking."""
    # Looking for the marks themselves in every completion would cost more than all the rest.
    folded = completion.casefold() if "<" in completion or "[" in completion else ""
    if "think" not in folded and "reasoning>" not in folded:
        return completion, False
    start, stop, thought = 0, len(completion), False
    for mark in _THINKING.finditer(completion):
        thought = True
        if mark.group(1) or mark.group(2):
            start, stop = mark.end(), len(completion)
        elif stop == len(completion):
            stop = mark.start()
    return (completion[start:stop], True) if thought else (completion, False)


def _without_code(text: str) -> str:
    """The text without fenced code, its digits ASCII; a fence that is not closed runs to the end."""
    return ascii_digits("\n".join(text.split(_FENCE)[::2]) if _FENCE in text else text)


def _tagged(reply: str, *, letters: bool) -> Found | None:
    if "<" not in reply or "nswer" not in reply.casefold():
        return None
    begin, content = -1, None
    for mark in _TAG.finditer(reply):
        if not mark.group(1):
            begin = mark.end()
        elif begin >= 0:
            content, begin = reply[begin : mark.start()], -1
    text = None if content is None else _content(content.replace(_FENCE, " "), letters=letters)
    return None if text is None else Found("tag", text)


def _after_hashes(prose: str, *, letters: bool) -> str | None:
    for mark in _last_marks(_HASHES, prose) if "####" in prose else ():
        line = prose[mark.end() : mark.end() + _MOST_CHARS].partition("\n")[0]
        text = _content(line, letters=letters)
        if text is not None and not _HEADING.search(text):
            return text
    return None


def _last_marks(pattern: re.Pattern[str], prose: str) -> Iterator[re.Match[str]]:
    """The last places where a pattern stands, last first; not all, so that a text of nothing else costs little."""
    return reversed(deque(pattern.finditer(prose), maxlen=_MARKS))


def _content(text: str, *, letters: bool) -> str | None:
    """The answer in a text set apart for it: what it says by a phrase, the whole, or what its last number claims."""
    text = text.strip().strip("*_`").strip()[:_MOST_CHARS]
    if letters:
        return letter_in(text)
    if not text:
        return None
    said = _after_phrase(text, letters=False)
    if said is not None or _readable(text):
        return said or text
    return _last_number(text) or text


def _is_short_text(text: str) -> bool:
    """Whether a text without a number may be an answer: a few words, and no heading."""
    return bool(text) and len(text.split()) <= _SHORT_TEXT_WORDS and not _HEADING.search(text)


@lru_cache(maxsize=16_384)
def _readable(text: str) -> bool:
    try:
        parse(text)
    except NotAValueError:
        return False
    return True


def _after_phrase(prose: str, *, letters: bool) -> str | None:
    for stop in _phrases_from_end(prose):
        text = _said(prose, stop, letters=letters)
        if text is not None:
            return text
    return None


def _phrases_from_end(prose: str) -> Iterator[int]:
    """Where the last phrases end, last first: `the answer is`, or a line that is a heading `Final answer`."""
    at, tried = len(prose), 0
    while tried < _MARKS and (at := max(prose.rfind("nswer", 0, at), prose.rfind("NSWER", 0, at))) > 0:
        tried += 1
        phrase = _PHRASE.match(prose, at - 1)
        if phrase:
            yield phrase.end()
            continue
        start, stop = prose.rfind("\n", 0, at) + 1, prose.find("\n", at)
        stop = len(prose) if stop < 0 else stop
        if stop - start <= _LONGEST_HEADING and _HEADED.fullmatch(prose, start, stop):
            yield stop


def _said(prose: str, start: int, *, letters: bool) -> str | None:
    """What a phrase says is the answer: in its sentence, or in the next line where its own has nothing more."""
    lead = _LEAD.match(prose, start)
    begin = lead.end() if lead else start
    if begin >= len(prose):
        return None
    if letters:
        return letter_in(prose[begin : begin + 200])
    rest = prose[begin : begin + _MOST_CHARS]
    math = MATH.match(rest)
    if math and not _AFTER_MATH.match(rest, math.end()):
        return str(math.group(str(math.lastgroup))).strip().rstrip(".,;") or None
    sentence = _sentence(rest)
    found = values(sentence)
    if not found:
        plain = sentence.strip(" \t\n.!*_\"'`")
        return plain if plain and (_is_short_text(plain) or ("\\" in plain and _readable(plain))) else None
    said = claim(sentence, first=found[0].start <= _DIRECTLY)
    if said is None or not said.text:
        return f"not {found[-1].text}"
    following = rest[len(sentence) :]
    if _OR.match(following):
        return f"{said.text} {_sentence(following.strip())}".strip()
    return said.text


def _sentence(text: str) -> str:
    end = SENTENCE_END.search(text)
    return text[: end.end()] if end else text


def _last_number(prose: str) -> str | None:
    """What the last sentence with a number claims; questions and denials claim nothing, and a list claims all of it."""
    denied: set[str] = set()
    for start, line in lines_from_end(prose):
        for sentence in reversed(sentences(line)):
            if sentence.rstrip("\"'”’)*_ ").endswith("?"):
                continue
            said = claim(sentence)
            if said is None:
                continue
            denied |= said.denied
            if said.text and said.text not in denied:
                return _listed(prose, start, said.text) if only_value(line) else said.text
    return None


def _listed(prose: str, start: int, last: str) -> str:
    """The value of a line, with those of the lines before it as long as these are nothing but values, too."""
    listed = [last]
    for _, line in lines_from_end(prose[max(0, start - _LIST_LINES * _LIST_LINES) : max(0, start - 1)]):
        if line and not line.isspace():
            value = only_value(line)
            if value is None or len(listed) == _LIST_LINES:
                break
            listed.append(value)
    return ", ".join(reversed(dict.fromkeys(listed)))
