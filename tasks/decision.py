"""The gate's decision on a version, kept where people look: MLflow, Prefect, and the version's tags."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

import mlflow
from prefect import task
from prefect.artifacts import create_markdown_artifact

from permix.config import PromotionSettings
from permix.evaluation.scorecard import Scorecard
from permix.gate import Decision, coverage, promotes
from permix.report.table import comparison_markdown
from permix.statistics.difference import Difference
from tasks.alias import set_tag


@task(name="record decision")
def record_decision(
    settings: PromotionSettings,
    version: str,
    champion: str | None,
    decision: Decision,
    scorecards: Mapping[str, Scorecard],
    differences: Mapping[str, Difference] | None,
) -> None:
    """Log a decision and every number behind it under the active MLflow run; `champion` is who it was held against."""
    name = settings.registered_model
    markdown = decision_markdown(settings, version, champion, decision, scorecards, differences)
    compared = {figure: found.model_dump() for figure, found in (differences or {}).items()}
    mlflow.log_dict(
        {
            "version": version,
            "champion": champion,
            "promotes": promotes(decision, settings.gate),
            **asdict(decision),
            "differences": compared,
            "settings": settings.model_dump(mode="json"),
        },
        "decision.json",
    )
    mlflow.log_text(markdown, "decision.md")
    verdict = _verdict(decision, settings)
    create_markdown_artifact(markdown, key="promotion", description=f"{name} version {version}: {verdict}")
    tags = {"permix.gate": verdict, "permix.gate.summary": decision.summary, "permix.gate.against": champion or "none"}
    tags |= {f"permix.gate.{reason.name}": _number(reason.value, reason.passed) for reason in decision.reasons}
    for tag, value in tags.items():
        set_tag(name, version, tag, value)


def decision_markdown(
    settings: PromotionSettings,
    version: str,
    champion: str | None,
    decision: Decision,
    scorecards: Mapping[str, Scorecard],
    differences: Mapping[str, Difference] | None,
) -> str:
    """Verdict, conditions, paired differences and the table of scorecards, for a person to read."""
    against = f"against the champion, version {champion}" if champion else "without a champion to compare with"
    conditions = "\n".join(f"| {'yes' if r.passed else '**no**'} | {r.sentence} |" for r in decision.reasons)
    return (
        f"# {settings.registered_model} version {version}: {_verdict(decision, settings)}\n\n"
        f"Judged {against}.\n\n"
        f"| passes | condition |\n| --- | --- |\n{conditions}\n\n"
        f"{''.join(f'**Note:** {warning}{chr(10) * 2}' for warning in decision.warnings)}"
        f"{_paired(differences, settings)}{comparison_markdown(scorecards)}"
    )


def _paired(differences: Mapping[str, Difference] | None, settings: PromotionSettings) -> str:
    if not differences:
        return ""
    rows = "\n".join(
        f"| {figure} | {found.candidate:.3f} | {found.reference:.3f} | {found.difference:+.3f} "
        f"({found.low:+.3f} to {found.high:+.3f}) | {found.probability:.3f} |"
        for figure, found in differences.items()
    )
    return (
        f"Paired, on the same problems and personas; intervals at {coverage(settings):.0%}:\n\n"
        f"| figure | candidate | champion | difference | candidate is higher with probability |\n"
        f"| --- | --- | --- | --- | --- |\n{rows}\n\n"
    )


def _verdict(decision: Decision, settings: PromotionSettings) -> str:
    if settings.gate == "off":
        return "gate off"
    said = "passed" if decision.passed else "not passed"
    return said if settings.gate == "enforce" else f"{said} (dry run)"


def _number(value: float | None, passed: bool) -> str:
    said = "passed" if passed else "failed"
    return said if value is None else f"{said}: {value:.4f}"
