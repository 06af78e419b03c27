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

LONGEST_LINE = 4_000
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
# A value stands by itself: not in a word or path (x2, MP3, a/3), nor in an expression with a variable (3x + 2).
_ATTACHED_BEFORE = re.compile(r"[0-9_^\\{]\Z|[^\W\d_]/\Z")
_OPERATOR = r"[ ]?[-−–+*/×·^][ ]?"
_VARIABLE_BEFORE = re.compile(rf"(?<![a-zA-Z'’])[0-9.]*[b-z](?:\^[0-9]+)?\)?{_OPERATOR}\Z")
_VARIABLE_AFTER = re.compile(rf"{_OPERATOR}[0-9.]*[b-z](?:\^[0-9]+)?(?![a-zA-Z'’])")
_NO_SPACES_FROM = 0x0E00
"""Scripts from Thai on write no space between a word and a number."""
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
    (?:[-−–+*×·÷/=:^][-−–+*×·÷/=:^\ ]* | \\times | \\cdot | \\div | \\approx | ≈ | \bx\b
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

_INSIDE = r"[^\\]*(?:\\(?![()\[\]])[^\\]*)*"
MATH = re.compile(
    rf"\$\$(?P<display>[^$]+)\$\$|\\\((?P<round>{_INSIDE})\\\)|\\\[(?P<square>{_INSIDE})\\\]"
    r"|\$(?=\S)(?P<inline>[^$\n]*)(?<=\S)\$(?![0-9])"
)
"""Mathematics between delimiters. `$5 and $6` is money."""
_MACRO = re.compile(r"\\[a-zA-Z]+")
_TEX_STEP = re.compile(r"\\[\s\S]|[{}]|\s|[=≈$]")

SENTENCE_END = re.compile(r"[.!?]+(?=[\s\"'”’)*_]|$)|\n")
_BULLET = re.compile(r"\s*(?:[-*•+]\s+|\(?[0-9]{1,3}[.)](?=\s)\s*|#+\s+|>\s+)")


_FEW_WORDS = re.compile(r"(?:[ ][a-zA-Z]+){0,2}")


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


def lines_from_end(text: str) -> Iterator[tuple[int, str]]:
    """The lines of a text and where they start, last first; of a longer one its last LONGEST_LINE characters."""
    stop = len(text)
    while stop >= 0:
        start = text.rfind("\n", 0, stop) + 1
        yield start, text[max(start, stop - LONGEST_LINE) : stop]
        stop = start - 1


def sentences(line: str) -> list[str]:
    """The sentences of a line, without what marks it as an item of a list or a heading."""
    bullet = _BULLET.match(line)
    found, start = [], bullet.end() if bullet else 0
    for end in SENTENCE_END.finditer(line, start):
        found.append(line[start : end.end()])
        start = end.end()
    found.append(line[start:])
    return [sentence for sentence in found if sentence and not sentence.isspace()]


def only_value(line: str) -> str | None:
    """The value that is all of a line but for a bullet before and a word or two after; None if it is not."""
    if len(line) > _MOST_BETWEEN:
        return None
    bullet = _BULLET.match(line)
    rest = line[bullet.end() if bullet else 0 :].strip(" \t.,;*_")
    found = values(rest)
    if len(found) != 1 or found[0].start or not _FEW_WORDS.fullmatch(rest, found[0].stop):
        return None
    return found[0].text


def values(sentence: str) -> list[Value]:
    """The numbers of a sentence that are values: not those inside words, or in a heading's or a list's number.

    Mathematics with a number in it is one value, as it is written: `\\sqrt{2}` is no 2.
    """
    found: list[Value] = []
    at = 0
    for start, stop, content in _mathematics(sentence) if "\\" in sentence or "$" in sentence else ():
        found += _numbers(sentence, at, start)
        value = _VALUE.fullmatch(content)
        inner = _value(content, value) if value else None
        if inner is not None:
            found.append(Value(start, stop, inner.text))
        elif any(character.isdigit() for character in content):
            found.append(Value(start, stop, content))
        at = stop
    return found + _numbers(sentence, at, len(sentence))


def _numbers(sentence: str, at: int, end: int) -> list[Value]:
    found = []
    while match := _VALUE.search(sentence, at, end):
        at = match.end()
        value = _value(sentence, match)
        if value is not None:
            found.append(value)
            at = max(at, value.stop)
    return found


def _mathematics(sentence: str) -> Iterator[tuple[int, int, str]]:
    """Where mathematics stands, between delimiters or as bare LaTeX, and what its last side is. No two overlap."""
    at = 0
    for span in MATH.finditer(sentence):
        yield from _bare_latex(sentence, at, span.start())
        yield span.start(), span.end(), _last_side(str(span.group(str(span.lastgroup))))
        at = span.end()
    yield from _bare_latex(sentence, at, len(sentence))


def _bare_latex(sentence: str, at: int, end: int) -> Iterator[tuple[int, int, str]]:
    """Runs without a space outside braces that hold a macro and a digit: `5\\sqrt{2}`, not `\\times`."""
    while macro := _MACRO.search(sentence, at, end):
        start = macro.start()
        while start > at and not (sentence[start - 1].isspace() or sentence[start - 1] in "=≈$:*(\"'"):
            start -= 1
        depth, stop = 0, end
        for step in _TEX_STEP.finditer(sentence, start, end):
            token = step.group()
            depth += (token == "{") - (token == "}")
            if depth <= 0 and (token.isspace() or token in "=≈$"):
                stop = step.start()
                break
        content = sentence[start:stop].rstrip(".,;:!?*_\"'")
        stop = max(start + len(content), macro.end())
        if any(character.isdigit() for character in content):
            yield start, stop, content
        at = stop


def _last_side(content: str) -> str:
    """What follows the last sign of equality, where that stands outside braces."""
    side = re.split(r"[=≈]|\\approx", content)[-1]
    return (side if side.count("{") == side.count("}") else content).strip(" \n\t.,;")


def _value(sentence: str, match: re.Match[str]) -> Value | None:
    start, stop = match.start(), match.end()
    written = match.group("sign")
    before = sentence[max(0, start - 1) : start]
    sign = written.strip()
    if sign and before and before not in _SIGN_AFTER and not match.group("late"):
        if sign != "+" and before.isalpha():  # COVID-19
            return None
        sign = ""
    if not sign:
        start += len(written)
    before = sentence[max(0, start - 2) : start]
    if _ATTACHED_BEFORE.search(before) or _in_word(before[-1:]) or (before[-1:] == "." and not before[:1].isspace()):
        return None
    if before[-1:] == "(" and _in_word(before[:1]):  # f(3)
        return None
    look = sentence[max(0, start - _LOOK_BACK) : start]
    if _NUMBERED.search(look):
        return None
    variable = _VARIABLE_BEFORE.search(look + sign)
    if variable:
        whole = look[variable.start() :] + sentence[start:stop]
        return Value(start, stop, whole.strip())
    text = match.group("value").replace("⁄", "/")
    follow = sentence[stop : stop + 1]
    if follow == "." and sentence[stop + 1 : stop + 2].isdigit():  # 1.2.3
        return None
    variable = _VARIABLE_AFTER.match(sentence, stop)
    if variable:
        return Value(start, variable.end(), sentence[start : variable.end()].strip())
    if match.group("percent"):
        text += r"\%"
    elif follow in "-‐‑" and sentence[stop + 1 : stop + 2].isalpha():  # a 24-hour day
        return None
    else:
        unit, length = _unit(sentence, stop)
        if not unit and (_in_word(follow) or follow == "_"):
            return None
        if unit:
            text += rf"\text{{ {unit}}}"
            stop += length
    money = match.group("money") or ""
    negative = sign in {"-", "−", "–"} or bool(match.group("late"))
    if money.endswith("$"):
        text = rf"\${text}"
    elif money:
        text += money
    return Value(start, stop, ("-" if negative else "") + text)


def _in_word(character: str) -> bool:
    return character.isalpha() and ord(character) < _NO_SPACES_FROM


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
        ends = sentence[word.end() : word.end() + 1] in {"", ".", ",", ";", ")", "!"}
        if name not in UNITS or (name in _NOT_UNITS and not attached and not ends):
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
