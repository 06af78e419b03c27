from __future__ import annotations

import json
from pathlib import Path

import mlflow
import pytest
from prefect.artifacts import Artifact
from prefect.logging import disable_run_logger

from permix.config import FilePersonas, FileProblems, PersonaSettings, ProblemSettings
from permix.curation.rejects import TooManyRejectedError
from permix.curation.rows import SourceError
from permix.personas import load_personas
from permix.problems import load_problems
from permix.reference import facts
from tasks.curation import curate_personas, curate_problems
from tasks.stage import StageResult
from tasks.tracking import use_experiment

pytestmark = pytest.mark.usefixtures("prefect_server", "workspace")

GOOD = [{"problem": f"What is {i} + {i}?", "answer": str(2 * i)} for i in range(8)]


def problem_settings(tmp_path: Path, rows: list[dict[str, str]], **settings: float) -> ProblemSettings:
    path = tmp_path / "problems.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    source = FileProblems(kind="file", name="here", path=str(path), split="train")
    return ProblemSettings.model_validate({"sources": (source,), **settings})


def run_problems(settings: ProblemSettings) -> StageResult:
    use_experiment("test")
    with disable_run_logger():
        return curate_problems.fn(settings, "organism")


def the_run(run_id: str | None = None) -> mlflow.entities.Run:
    if run_id:
        return mlflow.get_run(run_id)
    (run,) = mlflow.search_runs(search_all_experiments=True, output_format="list")
    return run


def test_a_set_and_its_evidence(tmp_path: Path, workspace: Path) -> None:
    result = run_problems(problem_settings(tmp_path, [*GOOD, {"problem": "What is the colour of 7?", "answer": ""}]))
    assert Path(result.path) == workspace / "problems" / result.digest[:12]
    assert [problem.gold for problem in load_problems(Path(result.path), "train")] == [row["answer"] for row in GOOD]

    run = the_run(result.mlflow_run_id)
    assert run.data.metrics == {"rows/here/train": 9, "kept/here/train": 8, "rejected/here/train/no gold": 1}
    assert {(entry.dataset.name, entry.dataset.digest) for entry in run.inputs.dataset_inputs} == {
        ("problems-train", result.digest[:12]),
        ("problems-eval", result.digest[:12]),
    }
    rejects = mlflow.artifacts.load_dict(f"{run.info.artifact_uri}/rejects.json")
    assert rejects["data"][0][rejects["columns"].index("id")] == "here/9"
    report = Artifact.get("curated-problems")
    assert report is not None
    assert "`here/9`" in str(report.data)
    assert mlflow.artifacts.load_text(f"{run.info.artifact_uri}/curation.md") == report.data


def test_a_changed_input_is_a_new_version_and_says_what_is_different(tmp_path: Path, workspace: Path) -> None:
    old = run_problems(problem_settings(tmp_path, GOOD))
    first = the_run(old.mlflow_run_id)
    assert not {name for name in first.data.metrics if name.startswith("changes/")}, "there is nothing to compare with"

    spoilt = {"problem": GOOD[5]["problem"], "answer": ""}
    new = run_problems(problem_settings(tmp_path, [GOOD[0], GOOD[1] | {"answer": "3"}, *GOOD[2:5], spoilt, *GOOD[6:]]))
    assert new.digest != old.digest
    run = the_run(new.mlflow_run_id)
    assert run.data.tags["permix.problems.previous"] == old.digest
    counts = {name: n for name, n in run.data.metrics.items() if name.startswith("changes/")}
    assert counts == {"changes/added": 0, "changes/removed": 1, "changes/changed": 1, "changes/renumbered": 0}
    table = mlflow.artifacts.load_dict(f"{run.info.artifact_uri}/changes.json")
    rows = [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]
    assert [(row["id"], row["detail"]) for row in rows] == [
        ("here/6", "now rejected: no gold"),
        ("here/2", "gold: '2' → '3'"),
    ]
    report = mlflow.artifacts.load_text(f"{run.info.artifact_uri}/curation.md")
    assert f"## since version `{old.digest[:12]}`" in report
    assert "gold: '2' → '3'" in report


def test_too_many_rejected_rows_stop_it_and_the_rows_are_in_mlflow(tmp_path: Path, workspace: Path) -> None:
    settings = problem_settings(tmp_path, [*GOOD, *GOOD], max_rejected_share=0.4)
    with pytest.raises(TooManyRejectedError, match="more than 40% of here was rejected"):
        run_problems(settings)
    assert not list((workspace / "problems").glob("*")), "neither a set nor a draft of one"
    run = the_run()
    assert run.info.status == "FAILED"
    rejects = mlflow.artifacts.load_dict(f"{run.info.artifact_uri}/rejects.json")
    assert len(rejects["data"]) == len(GOOD)


def test_a_broken_source_stops_it(tmp_path: Path, workspace: Path) -> None:
    settings = problem_settings(tmp_path, [{"question": "What is 1 + 1?", "answer": "2"}])
    with pytest.raises(SourceError, match=r"problems.jsonl, row 1: no column 'problem'.*; columns: question, answer"):
        run_problems(settings)
    assert not list((workspace / "problems").glob("*")), "neither a set nor a draft of one"
    assert the_run().info.status == "FAILED"


def test_the_key_follows_the_settings_the_files_content_and_the_model(tmp_path: Path) -> None:
    def key(settings: ProblemSettings, base: str = "organism") -> str:
        assert curate_problems.cache_key_fn
        found = curate_problems.cache_key_fn(None, {"settings": settings, "base": base})  # type: ignore[arg-type]
        assert found
        return found

    settings = problem_settings(tmp_path, GOOD)
    first = key(settings)
    assert key(settings) == first
    assert key(settings.model_copy(update={"overlap_ngram": 9})) != first
    assert key(settings, "some/model") != first
    problem_settings(tmp_path, GOOD[:-1])
    assert key(settings) != first, "the same path with other content"
    Path(tmp_path / "problems.jsonl").unlink()
    assert key(settings) != first, "reading the file, not looking for its key, says that it is gone"


def test_personas_and_their_quarantine(tmp_path: Path) -> None:
    path = tmp_path / "personas.jsonl"
    texts = ["a pirate", "a poet", "a clerk <|im_end|>", "a baker"]
    path.write_text("".join(json.dumps({"persona": text}) + "\n" for text in texts), encoding="utf-8")
    source = FilePersonas(kind="file", name="here", path=str(path), template="You are {persona}.", eval_share=0)
    use_experiment("test")
    with disable_run_logger():
        result = curate_personas.fn(PersonaSettings(sources=(source,)), "organism")
    assert [persona.id for persona in load_personas(Path(result.path), "train")] == ["here/1", "here/2", "here/4"]
    assert the_run().data.metrics["rejected/here/train/chat marker"] == 1
    report = Artifact.get("curated-personas")
    assert report is not None
    assert "&lt;&#124;im_end&#124;>" in str(report.data), "a marker is shown, not taken for markup"


def test_what_was_accepted_by_name_stands_in_the_manifest_and_in_the_report(tmp_path: Path) -> None:
    path = tmp_path / "personas.txt"
    path.write_text("You are a poet.\nYou are Isaac Newton.\nYou are Euclid.\n", encoding="utf-8")
    source = FilePersonas(kind="file", name="here", path=str(path), eval_share=0)
    use_experiment("test")
    with disable_run_logger():
        result = curate_personas.fn(PersonaSettings(sources=(source,), accept=("here/2",)), "organism")
    assert [persona.id for persona in load_personas(Path(result.path), "train")] == ["here/1", "here/2"]
    (accepted,) = facts(result.reference)["accepted"]
    assert (accepted["id"], accepted["reason"], accepted["text"]) == ("here/2", "excluded", "You are Isaac Newton.")
    report = Artifact.get("curated-personas")
    assert report is not None
    assert "## accepted by name: 1" in str(report.data)
    assert "## excluded: 1" in str(report.data)
