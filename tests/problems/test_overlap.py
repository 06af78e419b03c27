from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from permix.curation.text import runs
from permix.problems import Problem
from permix.problems.overlap import OverlapIndex

TEXTS = st.lists(st.sampled_from("abc"), max_size=14).map(" ".join)


@given(held_out=TEXTS, text=TEXTS, length=st.integers(2, 6))
def test_a_shared_run_is_found_wherever_it_lies(held_out: str, text: str, length: int) -> None:
    index = OverlapIndex(length)
    index.add(Problem("e/1", held_out, "1", "e", "eval"))
    clash = index.clash(Problem("t/1", text, "1", "t", "train"))
    own, theirs = runs(text, length), set(runs(held_out, length))
    shared = [run in theirs for run in own]
    assert (clash is not None) == any(shared)
    if clash is not None:
        assert clash.share == sum(shared) / len(own)
        assert clash.other == "e/1"
