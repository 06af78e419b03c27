from __future__ import annotations

import pytest
from scripted import scorecard

from permix.config import PromotionSettings
from permix.evaluation.scorecard import Estimate, Scorecard
from permix.gate import decide

MODEL = scorecard({})
SETTINGS = PromotionSettings(min_neutral_accuracy=0.5, min_pss=0.6, min_fidelity=0.8, margin=0.02)


def card(neutral: float = 0.9, pss: float = 0.9, fidelity: float | None = 0.9, protocol: str = "same") -> Scorecard:
    def exactly(value: float) -> Estimate:
        return Estimate(value=value, low=value, high=value)

    stability = MODEL.stability.model_copy(update={"neutral": exactly(neutral), "pss": exactly(pss)})
    roleplay = None if fidelity is None else exactly(fidelity)
    kept = MODEL.fidelity.model_copy(update={"roleplay": roleplay})
    return MODEL.model_copy(update={"stability": stability, "fidelity": kept, "protocol": protocol})


# candidate, champion, what failed
CASES: list[tuple[str, Scorecard, Scorecard | None, set[str]]] = [
    ("the first model needs the floors only", card(), None, set()),
    ("a floor is enough", card(0.5, 0.6, 0.8), None, set()),
    ("neutral accuracy under its floor", card(neutral=0.49), None, {"neutral_accuracy.floor"}),
    ("PSS under its floor", card(pss=0.59), None, {"pss.floor"}),
    ("fidelity under its floor", card(fidelity=0.79), None, {"fidelity.floor"}),
    ("everything under", card(0, 0, 0), None, {"neutral_accuracy.floor", "pss.floor", "fidelity.floor"}),
    ("better than the champion", card(0.95, 0.95, 0.95), card(), set()),
    ("behind by the margin, exactly", card(0.88, 0.88, 0.88), card(), set()),
    ("behind by more in one figure", card(0.95, 0.87, 0.95), card(), {"pss.champion"}),
    ("behind the champion and under the floor", card(fidelity=0.7), card(), {"fidelity.floor", "fidelity.champion"}),
    ("another protocol does not compare", card(0.95), card(protocol="other"), {"protocol"}),
    ("fidelity not measured does not pass", card(fidelity=None), None, {"fidelity.floor"}),
    ("nor against a champion", card(fidelity=None), card(), {"fidelity.floor", "fidelity.champion"}),
    ("a champion without fidelity is no hindrance", card(), card(fidelity=None), set()),
]


@pytest.mark.parametrize(("candidate", "champion", "failed"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_the_gate(candidate: Scorecard, champion: Scorecard | None, failed: set[str]) -> None:
    decision = decide(candidate, champion, SETTINGS)
    assert {reason.name for reason in decision.reasons if not reason.passed} == failed
    assert decision.passed == (not failed)
    compared = champion is not None and champion.protocol == candidate.protocol
    assert len(decision.reasons) == 3 + (3 if compared else champion is not None)


def test_every_reason_has_its_figures_and_a_sentence() -> None:
    reasons = {reason.name: reason for reason in decide(card(pss=0.7), card(pss=0.8), SETTINGS).reasons}
    floor, margin = reasons["pss.floor"], reasons["pss.champion"]
    assert (floor.value, floor.threshold, floor.passed) == (0.7, 0.6, True)
    assert floor.sentence == "PSS 0.700 reaches the floor of 0.600."
    assert (margin.value, margin.threshold, margin.passed) == (0.7, pytest.approx(0.78), False)
    assert margin.sentence == "PSS 0.700, the champion's 0.800: behind by more than the margin of 0.020."


def test_a_floor_of_zero_asks_nothing_of_a_fidelity_that_was_not_measured_and_says_so() -> None:
    decision = decide(card(fidelity=None), card(), SETTINGS.model_copy(update={"min_fidelity": 0.0}))
    assert decision.passed
    sentences = [reason.sentence for reason in decision.reasons if reason.name.startswith("fidelity")]
    assert len(sentences) == 2
    assert all("was not measured; its floor is 0" in sentence for sentence in sentences)


def test_the_summary_names_what_failed() -> None:
    assert decide(card(), None, SETTINGS).summary == "passed: every condition holds"
    assert "PSS 0.100 is under the floor of 0.600." in decide(card(pss=0.1), None, SETTINGS).summary
    assert "evaluate the champion again" in decide(card(), card(protocol="other"), SETTINGS).summary
