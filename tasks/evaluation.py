"""Stages: a model in, its scorecard out; and the comparison of several, for MLflow and Prefect."""

from __future__ import annotations

import base64
import hashlib
import io
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlflow
from prefect import get_run_logger, task
from prefect.artifacts import create_image_artifact, create_markdown_artifact, create_table_artifact
from prefect.context import TaskRunContext

from permix.config import EvaluationSettings, Profile, digest
from permix.evaluation.answers import Answer, write_answers
from permix.evaluation.evaluate import ask, make_scorecard
from permix.evaluation.protocol import Protocol, make_protocol
from permix.evaluation.scorecard import Scorecard, read_scorecard, write_scorecard
from permix.generation import Chat, Completion, Sampling
from permix.generation.cache import COMPLETIONS, cached
from permix.personas import load_personas
from permix.problems import load_problems
from permix.reference import MANIFEST, Reference, finish
from permix.report.table import comparison_markdown, interval
from permix.workspace import workspace
from tasks.progress import progress_shown
from tasks.stage import STAGE_OPTIONS, StageResult, code_digest
from tasks.tracking import tracked_stage

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def evaluation_key(profile: Profile, policy: StageResult, problems: StageResult, personas: StageResult) -> str:
    """Digest of what a scorecard depends on. The label is not part of it: a model asked the same is the same."""
    inputs = [policy.digest, problems.digest, personas.digest]
    code = code_digest("generation", "evaluation", "report", "verifier", "organism", "personas", "problems")
    return digest("evaluate", profile.evaluation, profile.seed, inputs, code)


def _key(_: TaskRunContext, arguments: dict[str, Any]) -> str:
    return evaluation_key(**{name: value for name, value in arguments.items() if name != "label"})


@task(name="evaluate policy", task_run_name="evaluate {label}", cache_key_fn=_key, **STAGE_OPTIONS)
def evaluate_policy(
    profile: Profile, policy: StageResult, problems: StageResult, personas: StageResult, label: str
) -> StageResult:
    """Stability and fidelity of a model into `evaluation/<key12>`; `label` names it in reports.

    A label (`base`, `candidate`) is of lower-case letters, digits and dashes, for Prefect's sake.

    The model is the policy's directory, or `policy/` in it. Raises ValueError where it cannot be loaded, where there
    is nothing to evaluate on, or where no problem can be graded.
    """
    with tracked_stage(f"evaluate_{label}") as run_id:
        mlflow.set_tags({"permix.model": policy.digest, "permix.label": label})
        protocol = make_protocol(
            load_problems(Path(problems.path), "eval"),
            load_personas(Path(personas.path), "eval"),
            profile.evaluation,
            profile.seed,
        )
        answers = _asked(protocol, policy, profile.evaluation, label)
        scorecard = make_scorecard(answers, protocol, profile.evaluation, model=policy.digest)
        _warn(scorecard, profile.evaluation)
        home = workspace() / "evaluation" / evaluation_key(profile, policy, problems, personas)[:12]
        inputs = {"model": policy.digest, "problems": problems.digest, "personas": personas.digest}
        reference = _keep(home, answers, scorecard, label, **inputs)
        _publish(label, scorecard, reference)
        return StageResult(
            stage=f"evaluate_{label}", path=reference.path, digest=reference.digest, mlflow_run_id=run_id
        )


@task(name="report comparison")
def report_comparison(evaluated: Mapping[str, StageResult]) -> str:
    """The models side by side, by label, the last being the one in question: charts and a table.

    They go into the active MLflow run (`comparison/`) and into Prefect's artifacts; returns the table as markdown.
    Raises ValueError where the models were not asked the same.
    """
    from permix.report.persona_chart import persona_chart
    from permix.report.plane import plane

    scorecards = {label: read_scorecard(result.path) for label, result in evaluated.items()}
    if len({scorecard.protocol for scorecard in scorecards.values()}) > 1:
        raise ValueError(f"{', '.join(scorecards)} were asked different things; evaluate them with one profile")
    markdown = comparison_markdown(scorecards)
    mlflow.log_text(markdown, "comparison/table.md")
    create_markdown_artifact(markdown, key="comparison", description=f"Side by side: {', '.join(scorecards)}")
    for name, figure, description in (
        ("personas", persona_chart(scorecards), "Accuracy by persona"),
        ("plane", plane(scorecards), "Robustness and fidelity"),
    ):
        mlflow.log_figure(figure, f"comparison/{name}.png")
        create_image_artifact(_data_url(figure), key=f"comparison-{name}", description=description)
    return markdown


def checkpoint(policy: StageResult) -> Path:
    """The directory of a stage's model: `policy/` in it for a training, else itself."""
    inner = Path(policy.path) / "policy"
    return inner if inner.is_dir() else Path(policy.path)


def given_model(directory: str) -> StageResult:
    """A model that no stage of this workspace made, as if one had. Nothing is written into its directory.

    Raises ValueError where there is no such directory.
    """
    root = Path(directory).resolve()
    if not root.is_dir():
        raise ValueError(f"no model directory {directory}; give a transformers checkpoint, weights and tokenizer")
    files = {}
    for path in sorted(path for path in root.rglob("*") if path.is_file()):
        with path.open("rb") as content:
            files[path.relative_to(root).as_posix()] = hashlib.file_digest(content, "sha256").hexdigest()
    return StageResult(stage="given", path=str(root), digest=digest(files), mlflow_run_id="")


def _asked(protocol: Protocol, policy: StageResult, settings: EvaluationSettings, label: str) -> list[Answer]:
    """The model's answers; shows how far they are. What an earlier run of the workspace generated is taken up."""
    # With it comes torch, which a flow that only reuses results never needs.
    from permix.generation.local import complete, load

    started = time.monotonic()
    loaded = load(checkpoint(policy))
    # Besides the weights, a completion follows from the code that draws it and from how its numbers are rounded.
    drawn_by = [policy.digest, code_digest("generation"), loaded.model.device.type, str(loaded.model.dtype)]
    done = 0
    generated = 0
    with progress_shown(f"evaluate-{label}", f"{label} under every persona") as show:

        def generate(prompts: Sequence[Chat], sampling: Sampling) -> list[list[Completion]]:
            nonlocal generated
            generated += len(prompts) * sampling.samples
            return complete(loaded, prompts, sampling, settings.batch_size)

        def remembered(prompts: Sequence[Chat], sampling: Sampling) -> list[list[Completion]]:
            nonlocal done
            before = done

            def report(written: int, _: int) -> None:
                nonlocal done
                done = before + written
                show(done, protocol.completions, f"{done / (time.monotonic() - started):.0f} completions a second")

            kept = workspace() / "completions" / COMPLETIONS
            template = str(loaded.tokenizer.chat_template)
            return cached(generate, kept, digest(drawn_by), template, settings.batch_size, report)(prompts, sampling)

        answers = ask(remembered, protocol)
    seconds = time.monotonic() - started
    get_run_logger().info(
        "%s: %d completions judged in %.1f s, %d of them written now", label, len(answers), seconds, generated
    )
    mlflow.log_metrics({"seconds": seconds, "completions": len(answers), "completions_generated": generated})
    return answers


def _warn(scorecard: Scorecard, settings: EvaluationSettings) -> None:
    logger = get_run_logger()
    asked = scorecard.problems + len(scorecard.problems_left_out)
    if asked < settings.problems:
        logger.warning("evaluation.problems asks for %d eval problems and there are %d", settings.problems, asked)
    if scorecard.ungradable:
        logger.warning(
            "%d completions are ungradable, because the golds are at fault of: %s; these problems are left out",
            scorecard.ungradable,
            ", ".join(scorecard.problems_left_out),
        )


def _keep(home: Path, answers: Sequence[Answer], scorecard: Scorecard, label: str, **facts: str) -> Reference:
    """Everything of one evaluation into `home`: whole or, where this is killed, not finished."""
    from permix.report.persona_chart import persona_chart
    from permix.report.plane import plane

    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home.parent, prefix=".draft-") as directory:
        draft = Path(directory)
        write_answers(answers, draft)
        write_scorecard(scorecard, draft)
        persona_chart({label: scorecard}).savefig(draft / "personas.png", dpi=130)
        plane({label: scorecard}).savefig(draft / "plane.png", dpi=130)
        reference = finish(draft, label=label, **facts)
        # The manifest last: it marks the directory as complete.
        for file in sorted(draft.iterdir(), key=lambda file: file.name == MANIFEST):
            file.replace(home / file.name)
    return Reference(str(home), reference.digest)


def _publish(label: str, scorecard: Scorecard, reference: Reference) -> None:
    """One model's scorecard into the active MLflow run and Prefect's artifacts."""
    mlflow.log_metrics(scorecard.metrics())
    mlflow.log_artifacts(reference.path)
    create_markdown_artifact(
        comparison_markdown({label: scorecard}), key=f"scorecard-{label}", description=f"Scorecard of {label}"
    )
    create_table_artifact(
        [
            {
                "persona": persona.id,
                "kind": persona.kind,
                "accuracy": interval(persona.accuracy),
                "fidelity in role-play": _share(persona.roleplay),
                "fidelity while solving": _share(persona.solving),
            }
            for persona in scorecard.personas
        ],
        key=f"personas-{label}",
        description=f"Every persona of {label}",
    )


def _share(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.3f}"


def _data_url(figure: Figure) -> str:
    """The picture itself as a URL, since nothing may serve the workspace's files over HTTP."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
