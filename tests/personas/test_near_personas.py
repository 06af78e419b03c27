from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from permix.curation.text import jaccard
from permix.personas.near import NearIndex

SETS = st.frozensets(st.sampled_from("abcdefgh"))


@given(sets=st.lists(SETS, max_size=8), words=SETS, limit=st.sampled_from([0.5, 0.6, 0.7, 0.8, 0.9, 1.0]))
def test_the_nearest_is_what_a_look_at_all_of_them_finds(
    sets: list[frozenset[str]], words: frozenset[str], limit: float
) -> None:
    shares = [jaccard(words, other) for other in sets]
    best = max(shares, default=0.0)
    want = (best, shares.index(best)) if best >= limit else None
    assert NearIndex(sets, limit).nearest(words) == want
