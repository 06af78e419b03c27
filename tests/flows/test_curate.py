from __future__ import annotations

import json
import shutil
from pathlib import Path

import mlflow
import pytest
from prefect.artifacts import Artifact

from flows.curate import curate, summary
from permix.config import (
    DifficultySettings,
    FilePersonas,
    OrganismSettings,
    PersonaSettings,
    ProblemSettings,
    Profile,
)
from permix.curation.store import load_rejects
from permix.personas import load_personas
from permix.problems import load_problems
from permix.reference import facts
from tasks.validation import ValidationFailedError

pytestmark = pytest.mark.usefixtures("prefect_server", "workspace")


def runs() -> list[mlflow.entities.Run]:
    return mlflow.search_runs(search_all_experiments=True, output_format="list", order_by=["start_time"])  # type: ignore[return-value]


def test_the_organism_goes_through_and_the_second_time_nothing_is_done_again(workspace: Path) -> None:
    curated = curate(Profile())
    problems = [load_problems(Path(curated.problems.path), split) for split in ("train", "eval")]
    assert sum(map(len, problems)) == 300
    assert len(load_personas(Path(curated.personas.path), "eval")) == 20
    assert "organism" in summary(curated)

    parent, *stages = runs()
    assert [run.data.tags["permix.stage"] for run in stages] == ["curate_problems", "curate_personas", "validate"]
    assert {run.data.tags["mlflow.parentRunId"] for run in stages} == {parent.info.run_id}
    artifacts = Path(str(stages[-1].info.artifact_uri).removeprefix("file://")) / "validation"
    assert (artifacts / "data_docs" / "index.html").is_file()
    assert json.loads((artifacts / "personas.json").read_text())["success"] is True
    report = Artifact.get("validation")
    assert report is not None
    assert "expectations passed" in str(report.data)

    assert curate(Profile()) == curated
    again = runs()[4:]
    assert len(again) == 1, "a parent run and no stage"
    reused = {name: value for name, value in again[0].data.tags.items() if name.startswith("permix.reused.")}
    assert set(reused.values()) == {run.info.run_id for run in stages}

    shutil.rmtree(curated.personas.path)
    remade = curate(Profile())
    assert remade.personas.digest == curated.personas.digest, "what is gone is made again, the same"
    assert remade.problems == curated.problems
    assert len(load_personas(Path(remade.personas.path), "eval")) == 20


def test_a_failed_expectation_stops_the_flow_and_names_itself_and_the_rows(tmp_path: Path, workspace: Path) -> None:
    # Held out by the hash of their words: the expert is an eval persona, the pirate a training persona.
    rows = [
        {"persona": "a chemist with thirty years of practice", "kind": "expert"},
        {"persona": "a pirate who sings", "kind": "roleplay"},
    ]
    path = tmp_path / "personas.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    source = FilePersonas(kind="file", name="here", path=str(path), kind_column="kind")
    with pytest.raises(ValidationFailedError) as error:
        curate(Profile(personas=PersonaSettings(sources=(source,))))
    message = str(error.value)
    assert "every kind among the eval personas is also trained on" in message
    assert "here/1" in message
    assert "here/2" not in message

    parent, *_, validation = runs()
    assert (parent.info.status, validation.info.status) == ("FAILED", "FAILED")
    assert validation.data.metrics["expectations/failed"] == 1
    assert not list((workspace / "validation").rglob("manifest.json")), "nothing that looks finished"
    artifacts = Path(str(validation.info.artifact_uri).removeprefix("file://")) / "validation"
    assert json.loads((artifacts / "personas.json").read_text())["success"] is False


def test_what_the_base_always_or_never_solves_is_dropped_where_the_profile_asks(workspace: Path) -> None:
    # A base of seconds, right now and then.
    small = OrganismSettings(hidden_size=32, layers=1, heads=2, steps=250, batch_size=64, learning_rate=1e-2)
    profile = Profile(organism=small, problems=ProblemSettings(difficulty=DifficultySettings(samples=8)))
    curated = curate(profile)
    manifest = facts(curated.problems.reference)
    rates = manifest["pass_rates"]
    train, held_out = (load_problems(Path(curated.problems.path), split) for split in ("train", "eval"))
    assert sum(rates.values()) == 300 - len(held_out), "eval problems are left alone"
    assert 0 < len(train) == sum(rates.values()) - rates["0 of 8"] - rates["8 of 8"]
    rejects = load_rejects(Path(curated.problems.path))
    assert {(reject.reason, reject.share) for reject in rejects} <= {("too hard", 0.0), ("too easy", 1.0)}
    assert len(rejects) == rates["0 of 8"] + rates["8 of 8"]
    assert {run.data.tags.get("permix.stage") for run in runs()[1:]} >= {"base", "difficulty"}

    band = DifficultySettings(samples=8, high=0.25)
    again = curate(profile.model_copy(update={"problems": ProblemSettings(difficulty=band)}))
    stage = [run for run in runs() if run.data.tags.get("permix.stage") == "difficulty"][-1]
    assert facts(again.problems.reference)["pass_rates"] == rates, "the same completions, not drawn again"
    assert stage.data.metrics["in_band"] == rates["1 of 8"]
    stages = [run.data.tags.get("permix.stage") for run in runs()]
    assert (stages.count("difficulty"), stages.count("curate_problems"), stages.count("base")) == (2, 1, 1)
