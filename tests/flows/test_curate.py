from __future__ import annotations

import json
import shutil
from pathlib import Path

import mlflow
import pytest
from prefect.artifacts import Artifact

from flows.curate import curate, summary
from permix.config import FilePersonas, PersonaSettings, Profile
from permix.personas import load_personas
from permix.problems import load_problems
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
