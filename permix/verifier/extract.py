r"""Where the answer stands: the last complete `\boxed{}` of a completion, and the many places of a gold."""

from __future__ import annotations

import re

# One pass over the text, whatever it holds: a search that starts again at every box is quadratic in a
# megabyte of `\boxed{`.
_BRACES = re.compile(r"\\\\?(?:boxed|fbox)\s*\{|\\.|[{}]", re.DOTALL)


def last_box(text: str) -> str | None:
    r"""Content of the complete `\boxed{...}` (or `\fbox`) that closes last, or None. Linear in the text's length."""
    start = text.find("box")
    if start < 0:
        return None
    content: str | None = None
    opened: list[int] = []  # where the content of each open brace starts; -1 for a brace that is not a box's
    for match in _BRACES.finditer(text, max(0, start - 3)):
        token = match.group()
        if token == "{":
            opened.append(-1)
        elif token == "}":
            begin = opened.pop() if opened else -1
            if begin >= 0:
                content = text[begin : match.start()]
        elif len(token) > 2:
            opened.append(match.end())
    return content


def gold_text(gold: str) -> str:
    r"""The answer in a gold: its last box, else what follows its last `####` (GSM8K), else the whole."""
    boxed = last_box(gold)
    if boxed is not None:
        return boxed
    return gold.rpartition("####")[2].strip()
