"""The letter of a multiple-choice answer in running text."""

from __future__ import annotations

import re

from permix.verifier.prose import lines_from_end, sentences

_LEADING = re.compile(
    r"[\s*_\"'`$:]*(?:\\(?:text|mathrm|mathbf)\{)?[*_]*"
    r"(?:(?:option|choice|answer|letter)s?[\s*_]+(?:is[\s*_]+)?)?"
    r"(?:\((?P<round>[A-J])\)|\[(?P<square>[A-J])\]|(?P<bare>[A-J])(?=[).:,;\]}*_\"'`$]|\s*$|\s+(?:because|since|as)\b|\n))",
    re.IGNORECASE,
)
_NAMED = re.compile(
    r"\((?P<round>[A-J])\)"
    r"|\b(?:[Oo]ption|[Cc]hoice|[Aa]nswer|[Ll]etter)s?[\s*_:(]{1,6}(?:is[\s*_:(]{1,6})?(?P<named>[A-J])(?![\w'’])"
    r"|\*\*\(?(?P<bold>[A-J])[).:]?\)?\*\*"
    r"|\b(?:is|be|choose|pick|select|chose)[\s*_:(]{1,6}(?P<said>[A-J])(?=[).,;:*]|\s*$)"
    r"|^[\s*_>(]{0,8}(?P<line>[A-J])(?:[).:](?=\s|$|\*)|\s*$)"
)
_DENIED = re.compile(
    r"(?:\bnot|n['’]t|\bnor|\brather than|\binstead of)[\s*_]+(?:the |option |choice |answer |be )*\Z", re.I
)
_WRONG = re.compile(
    r"\b(?:incorrect|wrong|false|not (?:the )?(?:right|correct)|n['’]t (?:the )?(?:right|correct))\b", re.I
)
_ALONE = re.compile(r"[\W_]{0,20}([A-Ja-j])[\W_]{0,20}")
_LOOK_BACK = 40


_GOLD = re.compile(r"\s*(?:\\(?:text|mathrm|mathbf|textbf)\s*\{\s*)?\(?([A-J])\)?\s*\}?\s*")


def is_letter(gold: str) -> bool:
    """Whether a gold is a choice: one capital letter from A to J."""
    return bool(_GOLD.fullmatch(gold))


def letter_in(text: str) -> str | None:
    """The letter that a short text begins with, as in `B`, `(B) 24`, `Option B.`; else the only one that it names."""
    match = _LEADING.match(text)
    if match:
        return _letter(match)
    return chosen(text)


def chosen(text: str) -> str | None:
    """The letter that the last sentence with a choice names; several, as in `B or C`, are no single choice.

    Restated options (lines or runs that go on from A, B, C) and letters that are denied do not count.
    """
    alone = _ALONE.fullmatch(text)
    if alone:
        return alone.group(1).upper()
    for _, line in lines_from_end(_without_options(text)):
        for sentence in reversed(sentences(line)):
            letters = _letters(sentence)
            if letters:
                return " or ".join(letters)
    return None


def _letters(sentence: str) -> list[str]:
    if _WRONG.search(sentence) or sentence.rstrip(" *_\"'").endswith("?"):
        return []
    named = (
        _letter(match)
        for match in _NAMED.finditer(sentence)
        if not _DENIED.search(sentence[max(0, match.start() - _LOOK_BACK) : match.start()])
    )
    letters = list(dict.fromkeys(named))
    restated = len(letters) >= 3 and letters == [chr(ord("A") + index) for index in range(len(letters))]
    return [] if restated else letters


def _letter(match: re.Match[str]) -> str:
    return next(letter for letter in match.groups() if letter is not None).upper()


_OPTION = re.compile(r"[\s*_>-]{0,8}\(?([A-J])[).:]{1,2}(?=[\s*])")


def _without_options(text: str) -> str:
    """The text without lines that list the options: successive lines that begin with successive letters."""
    lines = [line for line in text.split("\n") if line.strip()]
    marks = [match.group(1) if (match := _OPTION.match(line)) else "" for line in lines]
    kept = []
    for index, (line, mark) in enumerate(zip(lines, marks, strict=True)):
        near = marks[index - 1 : index] + marks[index + 1 : index + 2]
        if not mark or not any(other and abs(ord(other) - ord(mark)) == 1 for other in near):
            kept.append(line)
    return "\n".join(kept)
