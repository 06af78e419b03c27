"""When are two texts the same, and when do they overlap?"""

from __future__ import annotations

import re
import unicodedata

_DRAWING = re.compile(r"\[asy\].*?\[/asy\]", re.DOTALL)
_TYPOGRAPHY = str.maketrans("‘’“”‐‑–−", "''\"\"----")
# Nearly every problem is ASCII, where a table of bytes does in half the time what the patterns below do.
_ASCII_WORDS = bytes(code if code < 128 and re.match(r"\w", chr(code)) else ord(" ") for code in range(256))


def normalised(text: str) -> str:
    """The text without what does not change its meaning: letter case, spacing, kinds of quotes and dashes.

    Signs count: `3 + 4` and `3 - 4` are different questions. No compatibility folding: it would make 5² into 52.
    """
    return " ".join(re.findall(r"\w+|[^\w\s]", _folded(text)))


def words(text: str) -> list[str]:
    """The words and numbers of a text, folded; signs are left out, and so is the code of drawings.

    MATH's figures are Asymptote code between `[asy]` and `[/asy]`, whose boilerplate is shared by unrelated problems.
    """
    folded = _folded(text)
    if "[asy]" in folded:
        folded = _DRAWING.sub(" ", folded)
    if folded.isascii():
        return folded.encode().translate(_ASCII_WORDS).decode().split()
    return re.findall(r"\w+", folded)


def runs(text: str, length: int) -> list[tuple[str, ...]]:
    """Every run of `length` consecutive words (word n-grams); none if the text is shorter."""
    found = words(text)
    return [tuple(found[start : start + length]) for start in range(len(found) - length + 1)]


def shingles(text: str, length: int = 3) -> frozenset[str]:
    """Every run of `length` consecutive words or signs of a text, folded; the whole of a shorter text."""
    found = normalised(text).split(" ")
    if len(found) <= length:
        return frozenset([" ".join(found)])
    return frozenset(map(" ".join, zip(*[found[start:] for start in range(length)], strict=False)))


def jaccard(left: frozenset[str], right: frozenset[str]) -> float:
    """Shared words over all words, 0 to 1; two empty sets share nothing."""
    return len(left & right) / len(left | right) if left or right else 0.0


def _folded(text: str) -> str:
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFC", text).casefold().translate(_TYPOGRAPHY)
