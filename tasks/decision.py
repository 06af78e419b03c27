"""The gate's decision on a version, kept where people look: MLflow, Prefect, and the version's tags."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

import mlflow
from prefect import task
from prefect.artifacts import create_markdown_artifact

from permix.evaluation.scorecard import Scorecard
from permix.gate import Decision
from permix.report.table import comparison_markdown


@task(name="record decision")
def record_decision(
    name: str, version: str, champion: str | None, decision: Decision, scorecards: Mapping[str, Scorecard]
) -> None:
    """Log a decision and every number behind it under the active MLflow run; `champion` is who it was held against."""
    markdown = decision_markdown(name, version, champion, decision, scorecards)
    mlflow.log_dict({"version": version, "champion": champion, **asdict(decision)}, "decision.json")
    mlflow.log_text(markdown, "decision.md")
    verdict = _verdict(decision)
    create_markdown_artifact(markdown, key="promotion", description=f"{name} version {version}: {verdict}")
    client = mlflow.MlflowClient()
    client.set_model_version_tag(name, version, "permix.gate", verdict)
    client.set_model_version_tag(name, version, "permix.gate.summary", decision.summary)


def decision_markdown(
    name: str, version: str, champion: str | None, decision: Decision, scorecards: Mapping[str, Scorecard]
) -> str:
    """Verdict, conditions and the table of scorecards, for a person to read."""
    against = f"against the champion, version {champion}" if champion else "without a champion to compare with"
    conditions = "\n".join(f"| {'yes' if r.passed else '**no**'} | {r.sentence} |" for r in decision.reasons)
    return (
        f"# {name} version {version}: {_verdict(decision)}\n\n"
        f"Judged {against}.\n\n"
        f"| passes | condition |\n| --- | --- |\n{conditions}\n\n"
        f"{comparison_markdown(scorecards)}"
    )


def _verdict(decision: Decision) -> str:
    return "passed" if decision.passed else "not passed"
