from __future__ import annotations

from pathlib import Path

import pytest
from foreign import foreign_model

from flows.evaluate import evaluate
from permix.config import AttributionSettings, EvaluationSettings, ModelSettings, Profile
from permix.evaluation.answers import read_answers
from permix.evaluation.scorecard import read_scorecard
from permix.fidelity.questions import evaluation_questions
from tasks.attribution import attribution_key, reference_of


def profile(base: str, **attribution: object) -> Profile:
    settings = AttributionSettings.model_validate(
        {"personas": 3, "questions": 2, "reply_tokens": 8, "candidates": 3, **attribution}
    )
    return Profile(
        model=ModelSettings(base=base),
        evaluation=EvaluationSettings(
            problems=2, samples=1, max_completion_tokens=8, resamples=50, attribution=settings
        ),
    )


def test_any_model_has_a_fidelity_that_needs_no_judge(workspace: Path, tmp_path: Path) -> None:
    model = str(foreign_model(tmp_path / "foreign"))
    evaluated = evaluate(profile(model), model)
    result = evaluated.scorecards["foreign"]
    card = read_scorecard(result.path)
    found = card.fidelity.attribution
    assert found is not None
    assert (found.replies, found.candidates, len(found.by_persona)) == (6, 3, 3)
    assert card.fidelity.roleplay == found.attribution
    assert card.fidelity.judge.startswith("persona attribution among 3 by")
    assert card.metrics()["attribution"] == card.metrics()["fidelity"] == found.attribution.value
    replies = [answer for answer in read_answers(result.path) if answer.task == "roleplay"]
    assert {answer.item for answer in replies} < set(evaluation_questions())
    assert {answer.persona for answer in replies} == set(found.by_persona)
    # The rows say what the figure says: the share that was attributed, persona by persona.
    for persona, of in found.by_persona.items():
        voices = [answer.voice for answer in replies if answer.persona == persona]
        assert None not in voices
        assert sum(voice for voice in voices if voice is not None) / 2 == pytest.approx(of.attribution)
    html = (Path(result.path) / "report.html").read_text(encoding="utf-8")
    assert "persona attribution among 3" in html

    # Asked otherwise, it is another protocol.
    other = evaluate(profile(model, temperature=1.0), model)
    assert read_scorecard(other.scorecards["foreign"].path).protocol != card.protocol


def test_who_reads_is_the_base_unless_another_is_named(tmp_path: Path) -> None:
    model = str(foreign_model(tmp_path / "foreign"))
    assert reference_of(profile(model)) == model
    assert reference_of(profile("organism")) is None
    assert attribution_key(profile("organism")) is None
    assert reference_of(profile("organism", reference=model)) == model
    assert reference_of(profile(model, reference="smollm2")) == "smollm2"
    assert attribution_key(profile(model)) != attribution_key(profile(model, reference="smollm2"))
    off = Profile(model=ModelSettings(base=model), evaluation=EvaluationSettings(attribution=None))
    assert reference_of(off) is None
