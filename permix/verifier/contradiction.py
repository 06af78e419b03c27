"""Does an instruction ask for a form of answer that is not read?"""

from __future__ import annotations

import re

from permix.verifier.reading import Place, Read

_QUOTE = "[\"'`“”‘’*]"
# "The answer is a whole number" asks for no form; "end with: The answer is X" does.
_ASKED: tuple[tuple[Place, str, re.Pattern[str]], ...] = (
    ("boxed", r"\boxed{}", re.compile(r"\\+f?box(?:ed)?\b|\bboxed\b", re.IGNORECASE)),
    (
        "hashes",
        "####",
        re.compile(r"(?<!#)####(?!#)(?!\s*\w)|(?<!#)####(?=\s*[<\[{(]?(?:answer|final|number|result))", re.I),
    ),
    ("tag", "<answer>", re.compile(r"</?answer>", re.IGNORECASE)),
    (
        "phrase",
        '"the answer is"',
        re.compile(
            rf"{_QUOTE}\s*(?:so |therefore,? )?(?:the )?(?:final |correct )?answer(?: is)?\s*(?::|{_QUOTE}|is\b)"
            r"|\b(?:with|form|format|by|words?|write|say|saying|as|line|phrase):?\s+"
            r"(?:so |therefore,? )?(?:the )?(?:final |correct )?answer(?: is\b|:)"
            r"|\banswer(?: is|:)\s*(?:[<\[{$_(]|\.\.\.|…|[XYNZ]\b)",
            re.IGNORECASE,
        ),
    ),
)


def contradiction(instruction: str, read: Read) -> str | None:
    r"""Why an instruction and a way of reading cannot both be meant; None where they can.

    An instruction that names forms of answer must name one that is read: `\boxed`, `####`, `<answer>`, or the words
    "the answer is". One that names none fits every way of reading.
    """
    asked = [(place, form) for place, form, pattern in _ASKED if pattern.search(instruction)]
    if not asked or any(place in read for place, _ in asked):
        return None
    forms = " and ".join(form for _, form in asked)
    places = ", ".join(place for place, _ in asked)
    return f"the instruction asks for {forms}, but {places} is not among the places that are read ({', '.join(read)})"
