"""A finding holds where its whole interval, and its size, are as the claim says; and in no other case."""

from __future__ import annotations

import pytest

from permix.study.compare import SeedDifference
from permix.study.findings import CLAIMS, findings


@pytest.mark.parametrize(
    ("comparison", "difference", "low", "high", "relative", "holds"),
    [
        ("rlvr_vs_base_pss", 0.05, 0.01, 0.09, 0.1, True),
        ("rlvr_vs_base_pss", 0.05, -0.01, 0.11, 0.1, False),
        ("rlvr_vs_base_fidelity", -0.1, -0.15, -0.05, -0.1, True),
        ("rlvr_vs_base_fidelity", -0.1, -0.21, 0.01, -0.1, False),
        ("rlvr_vs_base_fidelity", 0.1, 0.05, 0.15, 0.1, False),
        ("permix_vs_rlvr_pss", 0.4, 0.3, 0.5, 0.8, True),
        ("permix_vs_rlvr_pss", 0.1, 0.05, 0.15, 0.2, False),
        ("permix_vs_rlvr_pss", 0.4, 0.3, 0.5, None, False),
        ("permix_vs_rlvr_fidelity", 0.4, -0.1, 0.9, 0.8, False),
        ("permix_vs_rlvr_neutral_accuracy", 0.0, -0.019, 0.019, 0.0, True),
        ("permix_vs_rlvr_neutral_accuracy", 0.0, -0.021, 0.021, 0.0, False),
    ],
)
def test_a_claim(
    comparison: str, difference: float, low: float, high: float, relative: float | None, holds: bool
) -> None:
    measured = SeedDifference(difference=difference, relative=relative, low=low, high=high, seeds=5)
    (found,) = findings({comparison: measured, "another_vs_one_pss": measured})
    assert (found.comparison, found.holds) == (comparison, holds)


def test_every_claim_is_judged() -> None:
    same = SeedDifference(difference=0.0, relative=0.0, low=0.0, high=0.0, seeds=5)
    assert [found.claim for found in findings({claim.comparison: same for claim in CLAIMS})] == [
        claim.sentence for claim in CLAIMS
    ]
