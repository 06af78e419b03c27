"""When are two texts the same, and when do they overlap?"""

from __future__ import annotations

import re
import unicodedata

_DRAWING = re.compile(r"\[asy\].*?\[/asy\]", re.DOTALL)
_TYPOGRAPHY = str.maketrans("‘’“”‐‑–−", "''\"\"----")


def normalised(text: str) -> str:
    """The text without what does not change its meaning: letter case, spacing, kinds of quotes and dashes.

    Signs count: `3 + 4` and `3 - 4` are different questions. No compatibility folding: it would make 5² into 52.
    """
    return " ".join(re.findall(r"\w+|[^\w\s]", _folded(text)))


def words(text: str) -> list[str]:
    """The words and numbers of a text, folded; signs are left out, and so is the code of drawings.

    MATH's figures are Asymptote code between `[asy]` and `[/asy]`, whose boilerplate is shared by unrelated problems.
    """
    return re.findall(r"\w+", _DRAWING.sub(" ", _folded(text)))


def runs(text: str, length: int) -> list[tuple[str, ...]]:
    """Every run of `length` consecutive words (word n-grams); none if the text is shorter."""
    found = words(text)
    return [tuple(found[start : start + length]) for start in range(len(found) - length + 1)]


def jaccard(left: frozenset[str], right: frozenset[str]) -> float:
    """Shared words over all words, 0 to 1; two empty sets share nothing."""
    return len(left & right) / len(left | right) if left or right else 0.0


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold().translate(_TYPOGRAPHY)
