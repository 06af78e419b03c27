from __future__ import annotations

import shutil
from pathlib import Path

import mlflow
import pytest
from prefect import flow
from prefect.artifacts import Artifact

from flows.curate import curate
from flows.evaluate import Evaluated, evaluate
from permix.config import EvaluationSettings, OrganismSettings, Profile, TrainingSettings
from permix.evaluation.answers import outcomes, read_answers
from permix.evaluation.scorecard import read_scorecard
from permix.organism.base import train_base
from tasks.evaluation import evaluate_policy, report_comparison
from tasks.given import given_model
from tasks.stage import run_stage
from tasks.tracking import tracked_flow

pytestmark = pytest.mark.usefixtures("prefect_server", "workspace")

TINY = OrganismSettings(hidden_size=32, layers=1, heads=2, steps=60, batch_size=16)
PROFILE = Profile(
    organism=TINY, evaluation=EvaluationSettings(problems=6, samples=2, roleplay_questions=2, resamples=50)
)
COMPLETIONS = 6 * 21 * 2 + 6 + 20 * 2


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The smallest organism, hardly trained."""
    directory = tmp_path_factory.mktemp("tiny", numbered=False)
    train_base(TINY, 0, directory)
    return directory


def stage_runs() -> list[mlflow.entities.Run]:
    found = mlflow.search_runs(search_all_experiments=True, output_format="list", order_by=["start_time"])
    return [run for run in found if run.data.tags.get("permix.stage", "").startswith("evaluate")]  # type: ignore[union-attr]


def artifacts(run: mlflow.entities.Run) -> set[str]:
    return {file.path for file in mlflow.MlflowClient().list_artifacts(run.info.run_id)}


def test_a_model_gets_a_scorecard_once(model: Path, workspace: Path) -> None:
    before = sorted(model.iterdir())
    evaluated = evaluate(PROFILE, str(model))
    [(label, result)] = evaluated.scorecards.items()
    assert label == "tiny"
    assert Path(result.path).parent == workspace / "evaluation"
    card = read_scorecard(result.path)
    answers = read_answers(result.path)
    assert len(answers) == COMPLETIONS
    assert outcomes(answers).correct.shape == (6, 20, 2)
    assert outcomes(answers).correct.mean() == pytest.approx(card.stability.mean.value)
    assert sorted(model.iterdir()) == before, "nothing is written beside a given model"

    (run,) = stage_runs()
    assert run.data.metrics["pss"] == card.stability.pss.value
    assert run.data.metrics["completions"] == run.data.metrics["completions_generated"] == COMPLETIONS
    assert artifacts(run) == {path.name for path in Path(result.path).iterdir()} == {
        "manifest.json", "scorecard.json", "report.html", "completions.parquet", "personas.png", "plane.png"
    }  # fmt: skip
    for key in (f"scorecard-{label}", f"personas-{label}"):
        assert Artifact.get(key) is not None, key
    assert f"runs/{run.info.run_id}/artifacts/report.html" in str(Artifact.get(f"report-{label}").data)  # type: ignore[union-attr]
    assert "PSS (worst / best)" in run.data.tags["mlflow.note.content"]
    assert evaluated.comparison is None

    assert evaluate(PROFILE, str(model)) == evaluated
    assert len(stage_runs()) == 1, "the second time nothing is generated"
    written = {name: Path(result.path, name).read_bytes() for name in ("scorecard.json", "completions.parquet")}
    shutil.rmtree(result.path)
    again = evaluate(PROFILE, str(model)).scorecards[label]
    assert again.path == result.path
    # Not the page: it names the commit, which may be another by now.
    assert {name: Path(again.path, name).read_bytes() for name in written} == written, "made again, it is the same"
    assert stage_runs()[-1].data.metrics["completions_generated"] == 0, "a killed evaluation goes on from what it has"
    finer = PROFILE.model_copy(update={"evaluation": PROFILE.evaluation.model_copy(update={"samples": 3})})
    assert evaluate(finer, str(model)).scorecards[label].digest != result.digest
    assert stage_runs()[-1].data.metrics["completions_generated"] == 6 * 21, "only the third samples"


@flow
def side_by_side(profile: Profile, other: Profile, model: str) -> str:
    with tracked_flow(profile):
        curated = curate(profile)
        cards = {
            label: run_stage(evaluate_policy, asked, given_model(model), curated.problems, curated.personas, label)
            for label, asked in (("base", profile), ("candidate", other))
        }
        return report_comparison(cards)


def test_models_side_by_side_were_asked_the_same(model: Path) -> None:
    directory = side_by_side(PROFILE, PROFILE, str(model))
    assert (Path(directory) / "table.md").read_text(encoding="utf-8").startswith("|  | base | candidate |")
    assert "candidate beside base" in (Path(directory) / "report.html").read_text(encoding="utf-8")
    for key in ("comparison", "comparison-report", "comparison-personas", "comparison-plane"):
        assert Artifact.get(key) is not None, key
    (parent,) = [
        run
        for run in mlflow.search_runs(search_all_experiments=True, output_format="list")
        if "mlflow.parentRunId" not in run.data.tags  # type: ignore[union-attr]
    ]
    files = mlflow.MlflowClient().list_artifacts(parent.info.run_id, "comparison")  # type: ignore[union-attr]
    assert {file.path for file in files} == {
        f"comparison/{name}" for name in ("report.html", "table.md", "personas.png", "plane.png")
    }

    finer = PROFILE.model_copy(update={"seed": 1})
    with pytest.raises(ValueError, match="base, candidate were asked different things"):
        side_by_side(PROFILE, finer, str(model))


def test_no_model_is_an_error_that_says_what_one_is(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no model directory .*/absent"):
        evaluate(PROFILE, str(tmp_path / "absent"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"config\.json is missing"):
        evaluate(PROFILE, str(tmp_path / "empty"))


@pytest.mark.slow
def test_the_base_and_the_policy_trained_from_it() -> None:
    training = TrainingSettings(steps=2, problems_per_step=2, group_size=2, save_every=2)
    evaluated: Evaluated = evaluate(PROFILE.model_copy(update={"training": training}))
    cards = {label: read_scorecard(result.path) for label, result in evaluated.scorecards.items()}
    assert list(cards) == ["base", "candidate"]
    assert cards["base"].protocol == cards["candidate"].protocol
    assert cards["base"].model != cards["candidate"].model
