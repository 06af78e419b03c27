"""The nearest of many personas, exactly, without looking at all of them.

Two sets of words with a Jaccard of at least t share at least t of the larger one's words, so, in any fixed order of all
words, the first |x| − ⌈t|x|⌉ + 1 of each hold one in common (prefix filtering: Bayardo, Ma and Srikant 2007). With the
rare words first that leaves few to compare with. For problems, whose texts are longer and more, there is
`permix.curation.near`, which may miss a pair; a held-out persona that is trained on must not be missed.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from permix.curation.text import jaccard


class NearIndex:
    """Sets of words, to find the one nearest to another among those that share at least `limit` (Jaccard)."""

    def __init__(self, sets: Sequence[frozenset[str]], limit: float) -> None:
        self._sets = sets
        self._limit = limit
        self._frequency = Counter(word for words in sets for word in words)
        self._holders: dict[str, list[int]] = defaultdict(list)
        for place, words in enumerate(sets):
            for word in self._prefix(words):
                self._holders[word].append(place)

    def nearest(self, words: frozenset[str]) -> tuple[float, int] | None:
        """How near the nearest is, and its place among the sets (of equals the first); None where all are below."""
        places = {place for word in self._prefix(words) for place in self._holders.get(word, ())}
        found = max(((jaccard(words, self._sets[place]), -place) for place in places), default=(0.0, 0))
        return (found[0], -found[1]) if places and found[0] >= self._limit else None

    def _prefix(self, words: Iterable[str]) -> list[str]:
        ordered = sorted(words, key=lambda word: (self._frequency[word], word))
        # Rounded before: 0.9 × 10 is a little more than 9 in binary, which would cost a word and with it a pair.
        return ordered[: len(ordered) - math.ceil(round(self._limit * len(ordered), 9)) + 1]
