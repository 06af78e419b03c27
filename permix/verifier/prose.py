"""Values in running text: the numbers of a sentence, what joins them, and which of them the sentence claims.

Everything here is a scan from left to right or a walk from the end: linear in the text's length.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from permix.verifier.lexer import words
from permix.verifier.units import UNITS

_MOST_BETWEEN = 60
"""Longest text between two values that can join them, in characters."""

_PLAIN = r"(?:[0-9]{1,3}(?:(?:,|\{,\}|,\\!|\\,)[0-9]{3})+(?![0-9])|[0-9]+)(?:\.[0-9]+)?|\.[0-9]+"
_TEX = r"\\[dtc]?frac\s?\{\s?-?[0-9]+\s?\}\s?\{\s?[0-9]+\s?\}"
_SIMPLE = rf"(?:{_PLAIN})(?:[ ]?[/⁄][ ]?[0-9]+(?![0-9.]))?"
_VALUE = re.compile(
    rf"""(?P<sign>[-−–+]?\ ?)(?P<money>\\?[$]|[€£¥])?\ ?(?P<late>[-−])?
    (?P<value>[0-9]+\ ?{_TEX} | {_TEX} | [0-9]+\ [0-9]+[/⁄][0-9]+(?![0-9.]) | {_SIMPLE}[½¼¾⅓⅔]? | [½¼¾⅓⅔])
    (?P<percent>\ ?\\?%)?
    """,
    re.VERBOSE,
)
# What may stand before the sign of a value. After a digit, a letter or a bracket, - is an operator or a hyphen.
_SIGN_AFTER = frozenset(" \t\n(=:$*_\"'`[,≈>")
_WORD_BEFORE = re.compile(r"[^\W]|[_^\\]")
_NUMBERED = re.compile(
    r"(?:step|question|problem|example|part|case|figure|table|equation|option|chapter|exercise|no\.)\s?[(#]?$",
    re.IGNORECASE,
)
_UNIT_WORD = re.compile(r"[ ]?([a-zA-Z¢°]+)((?:\^\{?[23]\}?)|[²³])?(?![a-zA-Z0-9_])")
_PER = re.compile(r"[ ]?/[ ]?|[ ]per[ ]")
_ORDINALS = words("st nd rd th")
# Words that are units only where nothing else can be meant.
_NOT_UNITS = words("in am a s m h g l day min sec unit units degree second")
_POWER_WORDS = words("square cubic sq")

_PERHAPS = r"(?:[ ](?:maybe|perhaps|possibly|even|else|also|rather|probably|about|around|then))*"
_JOIN = re.compile(
    rf"""[\s*_$]*
    (?:[-−–+*×·÷/=:^] | \\times | \\cdot | \\div | \\approx | ≈ | \bx\b
      | ,?[ ]?(?:\b(?:or|and|to|through|versus|vs\.?)\b | [,;&] | \\text\{{[ ]?(?:or|and)[ ]?\}}){_PERHAPS}
    )?[\s*_$(]*\Z""",
    re.VERBOSE | re.IGNORECASE,
)
# With words between them, only `or` joins: 24 apples or 25; 24, I think, or 25.
_JOIN_OVER_WORDS = re.compile(rf"[,*_ $]*(?:[a-zA-Z']+,?[ ]){{1,4}}or{_PERHAPS}[ *_$]*\Z", re.IGNORECASE)
_DENIED = re.compile(
    r"(?:\bnot|n['’]t|\bnever|\brather than|\binstead of|\bnor|\bcannot)"
    r"(?:[ ](?:be|equal|equal to|exactly|just|simply|the|a|actually))*[\s*_$:=(]*\Z",
    re.IGNORECASE,
)
_BOUND = re.compile(
    r"\b(?:less|more|greater|fewer|smaller|larger|bigger|higher|lower) than(?: or equal to)?[\s*_$]*\Z"
    r"|\b(?:at least|at most|up to|almost|nearly|over|under|above|below|or|nor|neither|either)[\s*_$]*\Z"
    r"|\\pm[ ]?\Z|[±<>≤≥][ ]?\Z",
    re.IGNORECASE,
)
_LOOK_BACK = 48
"""How far before a value its sentence is looked at, in characters."""

SENTENCE_END = re.compile(r"[.!?]+(?=[\s\"'”’)*_]|$)|\n")
_BULLET = re.compile(r"\s*(?:[-*•+]\s+|\(?[0-9]{1,3}[.)](?=\s)\s*|#+\s+|>\s+)")


class Value(NamedTuple):
    """A number with its sign, currency, percent sign and unit, as it stands in a text."""

    start: int
    stop: int
    text: str
    """As the verifier reads it: `$5` as `\\$5`."""


class Claim(NamedTuple):
    """What a sentence says the answer is."""

    text: str
    """One value; or several with what joins them, which no single gold equals."""
    denied: frozenset[str]
    """Values that the sentence says are not it."""


def sentences_from_end(text: str) -> Iterator[str]:
    """The sentences of a text, last first; each line ends one."""
    stop = len(text)
    while stop > 0:
        start = text.rfind("\n", 0, stop) + 1
        line = text[start:stop]
        yield from reversed(_sentences(line))
        stop = start - 1


def _sentences(line: str) -> list[str]:
    bullet = _BULLET.match(line)
    found, start = [], bullet.end() if bullet else 0
    for end in SENTENCE_END.finditer(line, start):
        found.append(line[start : end.end()])
        start = end.end()
    found.append(line[start:])
    return [sentence for sentence in found if sentence and not sentence.isspace()]


def values(sentence: str) -> list[Value]:
    """The numbers of a sentence that are values: not those inside words, or in a heading's or a list's number."""
    found = []
    at = 0
    while match := _VALUE.search(sentence, at):
        at = match.end()
        value = _value(sentence, match)
        if value is not None:
            found.append(value)
            at = max(at, value.stop)
    return found


def _value(sentence: str, match: re.Match[str]) -> Value | None:
    start, stop = match.start(), match.end()
    sign = match.group("sign").strip()
    before = sentence[start - 1 : start]
    if sign and not (not before or before in _SIGN_AFTER) and not match.group("late"):
        if sign in "-−–" and before.isalpha():  # COVID-19
            return None
        sign = ""
        start = match.start() + len(match.group("sign"))
    elif not sign:
        start += len(match.group("sign"))
        before = sentence[start - 1 : start]
        if before and _WORD_BEFORE.match(before):
            return None
    if match.group("value")[0] in ".0123456789" and before == "." and not sign:
        return None
    if before == "(" and sentence[start - 2 : start - 1].isalpha():  # f(3)
        return None
    if _NUMBERED.search(sentence[max(0, start - 16) : start]):
        return None
    text = match.group("value").replace("⁄", "/")
    follow = sentence[stop : stop + 1]
    if follow == "." and sentence[stop + 1 : stop + 2].isdigit():  # 1.2.3
        return None
    if match.group("percent"):
        text += r"\%"
    elif follow in "-‐‑" and sentence[stop + 1 : stop + 2].isalpha():  # a 24-hour day
        return None
    else:
        unit, length = _unit(sentence, stop)
        attached = bool(follow) and (follow.isalpha() or follow == "_")
        if attached and not unit:
            return None
        if unit:
            text += rf"\text{{ {unit}}}"
            stop += length
    money = match.group("money") or ""
    negative = sign in {"-", "−", "–"} or bool(match.group("late"))
    money = r"\$" if money.endswith("$") else money
    return Value(start, stop, ("-" if negative else "") + money + text)


def _unit(sentence: str, at: int) -> tuple[str, int]:
    """A known unit that follows a number, and its length; empty if there is none."""
    found, start = "", at
    while word := _UNIT_WORD.match(sentence, at):
        name = word.group(1).casefold()
        attached = sentence[at] != " "
        if name in _POWER_WORDS:
            found += f" {name}"
            at = word.end()
            continue
        if name == "°":
            name = "degrees"
        if name not in UNITS or name == "in" or (name in _NOT_UNITS and not attached):
            break
        power = (word.group(2) or "").translate(_POWERS)
        found += f" {name}{power}"
        at = word.end()
        per = _PER.match(sentence, at)
        if per is None or _UNIT_WORD.match(" " + sentence[per.end() : per.end() + 20]) is None:
            break
        following = _UNIT_WORD.match(" " + sentence[per.end() : per.end() + 20])
        if following is None or following.group(1).casefold() not in UNITS:
            break
        return f"{found} per {following.group(1).casefold()}".strip(), per.end() + following.end() - 1 - start
    return (found.strip(), at - start) if found.split()[-1:] and found.split()[-1] not in _POWER_WORDS else ("", 0)


_POWERS = str.maketrans({"²": "^2", "³": "^3", "{": "", "}": ""})


def claim(sentence: str, *, first: bool = False) -> Claim | None:
    """What a sentence claims: its last value, or with `first` its first, with all that is joined to it.

    A value that is denied (`not 25`, `rather than 25`) is not claimed. None where no value stands.
    """
    found = values(sentence)
    if not found:
        return None
    denied = frozenset(value.text for value in found if _is_denied(sentence, value))
    groups = [group for group in _groups(sentence, found) if not _is_denied(sentence, group[0])]
    if not groups:
        return Claim("", denied)
    group = groups[0] if first else groups[-1]
    return Claim(_written(sentence, group), denied)


def _is_denied(sentence: str, value: Value) -> bool:
    return bool(_DENIED.search(sentence[max(0, value.start - _LOOK_BACK) : value.start]))


def _groups(sentence: str, found: list[Value]) -> list[list[Value]]:
    groups = [[found[0]]]
    for value in found[1:]:
        last = groups[-1][-1]
        if _joined(sentence[last.stop : value.start]) and not _is_denied(sentence, value):
            groups[-1].append(value)
        else:
            groups.append([value])
    return groups


def _joined(between: str) -> bool:
    if len(between) > _MOST_BETWEEN:
        return False
    return bool(_JOIN.match(between) or _JOIN_OVER_WORDS.match(between))


def _written(sentence: str, group: list[Value]) -> str:
    """The group as text: the last side of an equation that is a single value, else the whole, values and joints."""
    bound = _BOUND.search(sentence[max(0, group[0].start - _LOOK_BACK) : group[0].start])
    if bound:
        return sentence[max(0, group[0].start - _LOOK_BACK) + bound.start() : group[-1].stop].strip()
    sides: list[list[Value]] = [[group[0]]]
    for before, value in pairwise(group):
        if re.search(r"[=≈]|\\approx", sentence[before.stop : value.start]):
            sides.append([value])
        else:
            sides[-1].append(value)
    single = [side[0] for side in sides if len(side) == 1]
    if len(sides) > 1 and single:
        return single[-1].text
    side = sides[-1]
    if len(side) == 1 or (len({value.text for value in side}) == 1 and _only_listed(sentence, side)):
        return side[-1].text
    return sentence[side[0].start : side[-1].stop].strip()


def _only_listed(sentence: str, side: list[Value]) -> bool:
    """Whether one value is only said again: `24, 24`; not `5 + 5`."""
    joints = (sentence[one.stop : other.start] for one, other in pairwise(side))
    return all(not re.search(r"[-−–+*×·÷/:^\\]|\bx\b", joint) for joint in joints)
