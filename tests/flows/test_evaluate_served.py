"""A model behind a server that we did not write gets the scorecard that its files get."""

from __future__ import annotations

from pathlib import Path

import pytest
from foreign import foreign_model
from served import transformers_serve

from flows.evaluate import evaluate
from permix.config import EvaluationSettings, Profile
from permix.evaluation.answers import read_answers
from permix.evaluation.scorecard import read_scorecard

GREEDY = Profile(
    evaluation=EvaluationSettings(
        problems=2, samples=1, temperature=0, roleplay_questions=1, resamples=20, max_completion_tokens=12
    )
)


@pytest.mark.slow
@pytest.mark.usefixtures("prefect_server", "workspace")
def test_a_served_model_is_evaluated_as_its_files_are(tmp_path: Path) -> None:
    model = foreign_model(tmp_path / "foreign")
    with transformers_serve(model, tmp_path / "log") as url:
        served = evaluate(GREEDY, url, served_model=str(model), out=str(tmp_path / "served"))
    here = evaluate(GREEDY, str(model), out=str(tmp_path / "here"))
    (there_card,), (here_card,) = (
        [read_scorecard(card.path) for card in found.scorecards.values()] for found in (served, here)
    )
    assert there_card.stability == here_card.stability
    assert [answer.completion for answer in read_answers(tmp_path / "served")] == [
        answer.completion for answer in read_answers(tmp_path / "here")
    ]
