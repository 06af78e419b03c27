"""Stages: sources of the profile in, versioned Parquet out; MLflow and Prefect get what was kept, rejected and why."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mlflow
from prefect import get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.context import TaskRunContext

from permix.config import PersonaSettings, PersonaSource, ProblemSettings, ProblemSource, digest
from permix.curation.changes import KINDS, changes_markdown, compare, previous_version
from permix.curation.markers import Markers, model_markers, tokenizer_file
from permix.curation.rejects import Curation, check_rejected_share
from permix.curation.report import curation_markdown
from permix.personas import library
from permix.personas.curate import curate_personas as sort_personas
from permix.personas.sources import read_personas
from permix.personas.store import save_personas
from permix.problems.curate import curate_problems as sort_problems
from permix.problems.sources import read_problems
from permix.problems.store import save_problems
from permix.reference import Reference
from permix.workspace import workspace
from tasks.stage import STAGE_OPTIONS, StageResult, code_digest
from tasks.tracking import tracked_stage


def _problems_key(_: TaskRunContext, arguments: dict[str, Any]) -> str:
    settings: ProblemSettings = arguments["settings"]
    code = code_digest("curation", "problems", "verifier", "organism")
    return digest("curate_problems", settings, _files(settings.sources), _tokenizer(arguments["base"]), code)


def _personas_key(_: TaskRunContext, arguments: dict[str, Any]) -> str:
    settings: PersonaSettings = arguments["settings"]
    code = code_digest("curation", "personas", "organism")
    return digest("curate_personas", settings, _files(settings.sources), _tokenizer(arguments["base"]), code)


@task(name="curate problems", cache_key_fn=_problems_key, **STAGE_OPTIONS)
def curate_problems(settings: ProblemSettings, base: str) -> StageResult:
    """Problems of all sources into `problems/<digest12>` of the workspace; `base` is the profile's model.base.

    Raises SourceError where a source is at fault, and TooManyRejectedError where too much of one was rejected.
    """
    with tracked_stage("curate_problems") as run_id:
        markers = _markers(base)
        curation = sort_problems(read_problems(settings.sources), settings, markers)
        _log(curation)
        check_rejected_share(curation.counts(), settings.max_rejected_share, "problems.max_rejected_share")
        folder = workspace() / "problems"
        previous = previous_version(folder, {count["source"] for count in curation.counts()})
        reference = save_problems(
            curation,
            folder,
            settings=settings.model_dump(mode="json"),
            sources=_files(settings.sources),
            tokenizer=markers.tokenizer,
        )
        _publish("problems", curation, reference, previous, targets="gold")
        return StageResult(stage="curate_problems", path=reference.path, digest=reference.digest, mlflow_run_id=run_id)


@task(name="curate personas", cache_key_fn=_personas_key, **STAGE_OPTIONS)
def curate_personas(settings: PersonaSettings, base: str) -> StageResult:
    """Personas of all sources into `personas/<digest12>` of the workspace; `base` is the profile's model.base.

    Raises SourceError where a source is at fault, and TooManyRejectedError where too much of one was rejected.
    """
    with tracked_stage("curate_personas") as run_id:
        markers = _markers(base)
        curation = sort_personas(read_personas(settings.sources), settings, markers)
        _log(curation)
        check_rejected_share(curation.counts(), settings.max_rejected_share, "personas.max_rejected_share")
        folder = workspace() / "personas"
        previous = previous_version(folder, {count["source"] for count in curation.counts()})
        reference = save_personas(
            curation,
            folder,
            settings=settings.model_dump(mode="json"),
            sources=_files(settings.sources),
            tokenizer=markers.tokenizer,
            accepted=[vars(row) for row in curation.accepted],
        )
        _publish("personas", curation, reference, previous, targets=None)
        return StageResult(stage="curate_personas", path=reference.path, digest=reference.digest, mlflow_run_id=run_id)


def _markers(base: str) -> Markers:
    markers = model_markers(base)
    mlflow.set_tag("permix.tokenizer", markers.tokenizer or "none")
    if not markers.tokenizer:
        get_run_logger().warning(
            "no tokenizer of %s is at hand: rows are checked against the common chat markers only", base
        )
    return markers


def _log(curation: Curation[Any]) -> None:
    """Counts and rejected rows into the active MLflow run: before anything is judged, so that a failure shows why."""
    for count in curation.counts():
        place = f"{count['source']}/{count['split'] or 'unread'}"
        mlflow.log_metrics({f"rows/{place}": count["rows"], f"kept/{place}": count["kept"]})
        mlflow.log_metrics({f"rejected/{place}/{reason}": n for reason, n in count["rejected"].items()})
    if curation.rejects:
        rows = [vars(reject) for reject in curation.rejects]
        mlflow.log_table({name: [row[name] for row in rows] for name in rows[0]}, "rejects.json")


def _publish(
    name: str, curation: Curation[Any], reference: Reference, previous: Reference | None, targets: str | None
) -> None:
    """The finished set into the active MLflow run, as dataset inputs and a report, and the report into Prefect."""
    import pandas as pd
    from mlflow.data.pandas_dataset import from_pandas

    for split, context in (("train", "training"), ("eval", "evaluation")):
        file = reference.file(f"{split}.parquet")
        frame = pd.read_parquet(file)
        with warnings.catch_warnings():
            # MLflow knows two names of its class for local files, and finds a path ambiguous for that.
            warnings.filterwarnings("ignore", "The specified dataset source can be interpreted in multiple ways")
            dataset = from_pandas(
                frame, source=str(file), name=f"{name}-{split}", targets=targets, digest=reference.short
            )
        mlflow.log_input(dataset, context=context)
    mlflow.set_tag(f"permix.{name}.digest", reference.digest)
    mlflow.log_artifact(str(reference.file("manifest.json")))
    report = curation_markdown(
        f"Curated {name}", reference.short, curation.counts(), curation.rejects, curation.accepted
    )
    if previous:
        report += "\n" + _changes(name, previous, reference)
    mlflow.log_text(report, "curation.md")
    create_markdown_artifact(report, key=f"curated-{name}", description=f"Which {name} were kept, rejected, and why")


def _changes(name: str, previous: Reference, reference: Reference) -> str:
    """What is different since the previous version: all of it into the active MLflow run; a section of the report."""
    changes = compare(previous, reference)
    mlflow.set_tag(f"permix.{name}.previous", previous.digest)
    mlflow.log_metrics({f"changes/{kind}": sum(change.kind == kind for change in changes) for kind in KINDS})
    if changes:
        rows = [vars(change) for change in changes]
        mlflow.log_table({column: [row[column] for row in rows] for column in rows[0]}, "changes.json")
    return changes_markdown(previous, changes)


def _files(sources: Sequence[ProblemSource | PersonaSource]) -> dict[str, str]:
    """SHA-256 of every file among the sources; a missing one has none (reading it will say so)."""
    files = {source.path: Path(source.path) for source in sources if source.kind == "file"}
    if any(source.kind == "library" for source in sources):
        files["library"] = library.FILE
    return {
        name: hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "missing"
        for name, path in files.items()
    }


def _tokenizer(base: str) -> str:
    """What the markers depend on: the tokenizer's file, where there is one. The organism's is in the code's digest."""
    file = None if base == "organism" else tokenizer_file(base)
    return hashlib.sha256(file.read_bytes()).hexdigest() if file else base
