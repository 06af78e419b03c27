from __future__ import annotations

import sys

import pytest
from scattered import scattered

from permix.verifier import verify, verify_each

# `permix.verifier.verify` is the function.
MODULE = sys.modules[verify.__module__]
COMPLETIONS = [r"\boxed{4}", "no answer", r"\boxed{\frac{1}{2}}", r"\boxed{5}", r"\boxed{x+y}", r"\boxed{y+x}", "4"]
GOLDS = ["4", "4", "0.5", "4", "y+x", "y+x", "not gradable?"]


@pytest.mark.parametrize("part", [1, 3, 7, 100])
def test_verdicts_are_the_same_in_any_parts(part: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MODULE, "PART", part)
    whole = verify(COMPLETIONS, GOLDS)
    assert {verdict.verdict for verdict in whole} == {"correct", "incorrect", "ungradable"}
    assert verify_each(COMPLETIONS, GOLDS) == verify_each(COMPLETIONS, GOLDS, scattered) == whole


def test_nothing_gives_nothing() -> None:
    assert verify_each([], [], scattered) == []


def test_each_completion_needs_a_gold() -> None:
    with pytest.raises(ValueError, match="shorter"):
        verify_each(["4"], [])
