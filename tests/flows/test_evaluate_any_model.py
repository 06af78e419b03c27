"""A model that nothing here trained is evaluated by itself, wherever it is."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

import mlflow
import pytest
from foreign import foreign_model
from loopback import said, serving

from flows.evaluate import evaluate
from permix.config import EvaluationSettings, Profile
from permix.config.answers import USUAL
from permix.config.server import ServerSettings
from permix.evaluation.answers import read_answers
from permix.evaluation.scorecard import SCORECARD, Scorecard, read_scorecard
from permix.organism import world

pytestmark = pytest.mark.usefixtures("prefect_server")

PROFILE = Profile(
    evaluation=EvaluationSettings(
        problems=3,
        samples=1,
        roleplay_questions=1,
        resamples=20,
        max_completion_tokens=8,
        server=ServerSettings(api_key_env="MY_KEY"),
    )
)


async def solves(body: dict[str, Any]) -> Any:
    """Right about sums, except for confused personas; and never in character."""
    persona, asked = (message["content"] for message in body["messages"])
    question, _, instruction = asked.partition("\n")
    wrong = "confused" in persona
    if not question.startswith("What is"):
        return said("I would not know.")
    assert instruction == USUAL["boxed"], "a model that is not the organism is asked for a box"
    return said(f"\\boxed{{{world.solve(question) + wrong}}}")


def test_a_checkpoint_of_another_kind_and_a_server_are_evaluated_without_any_training(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    out = tmp_path / "out"
    evaluated = evaluate(PROFILE, str(foreign_model(tmp_path / "foreign")), out=str(out))
    card = Scorecard.model_validate_json((out / SCORECARD).read_text(encoding="utf-8"))
    assert card == read_scorecard(evaluated.scorecards["foreign"].path)
    assert {path.name for path in out.iterdir()} == {"scorecard.json", "report.html", "completions.parquet"}
    assert len(read_answers(out)) == 3 * 21 + 3 + 20
    assert card.cut > 0.9, "it babbles"
    assert card.fidelity.roleplay is None
    assert "this model is not the organism" in card.fidelity.note
    html = (out / "report.html").read_text(encoding="utf-8")
    assert "fidelity is not measured" in html
    assert f"{card.cut:.1%} of the completions" in html
    assert not (workspace / "base").exists()

    monkeypatch.setenv("MY_KEY", "sk-secret")
    with caplog.at_level(logging.DEBUG), serving(solves, models=[{"id": "sums", "object": "model"}]) as url:
        evaluated = evaluate(PROFILE, url, out=str(out))
    card = read_scorecard(evaluated.scorecards["sums"].path)
    assert card.stability.neutral.value == card.stability.best.value == 1
    assert card.stability.worst.value == 0
    assert re.search("confused", card.stability.worst_persona)
    assert card.kinds["expert"].accuracy.value == 1
    assert f"sums at {url}" in (out / "report.html").read_text(encoding="utf-8")
    runs = mlflow.search_runs(search_all_experiments=True, output_format="list")
    assert any(run.data.metrics.get("worst") == 0 for run in runs)  # type: ignore[union-attr]
    assert "sk-secret" not in caplog.text
    written = (path for path in workspace.rglob("*") if path.is_file())
    assert not any(b"sk-secret" in path.read_bytes() for path in written)
