"""Moves of the champion, each written into the ledger; every one is right however often it is tried."""

from __future__ import annotations

from dataclasses import replace

import prefect.runtime.deployment
import prefect.runtime.flow_run
from prefect import get_run_logger, task

from permix.gate import Decision, Reason
from permix.ledger import Ledger
from tasks.ledger import OvertakenError, append, settled, whoami


@task(name="make champion", task_run_name="make champion: version {version}")
def make_champion(name: str, version: str, judged_against: str | None, who: str, why: str, evidence: str) -> None:
    """Point `champion` to a version, `previous` to the champion before, and `challenger` to none.

    `evidence` is the MLflow run of the decision. Raises OvertakenError where another version has become champion since
    the candidate was judged.
    """
    ledger = settled(name)
    if ledger.champion == version:
        return
    if ledger.champion != judged_against:
        raise OvertakenError(
            f"{name}: version {version} was judged against {judged_against or 'no champion'}, and "
            f"{ledger.champion or 'none'} is champion now; judge it again"
        )
    append(name, "promotion", version, who, why, settled_at=ledger, evidence=evidence)
    get_run_logger().info("%s: version %s is champion now, after %s", name, version, judged_against or "none")


@task(name="go back", task_run_name="go back: version {version}")
def go_back(name: str, version: str, who: str, why: str) -> str | None:
    """Point `champion` to an earlier version, with the active MLflow run as evidence; returns the champion before."""
    ledger = settled(name)
    if ledger.champion == version:
        get_run_logger().info("%s: version %s is champion already", name, version)
        return ledger.entries[-1].before
    append(name, "rollback", version, who, why, settled_at=ledger)
    return ledger.champion


@task(name="record rejection", task_run_name="record rejection: version {version}")
def record_rejection(name: str, version: str, champion: str | None, who: str, why: str, evidence: str) -> None:
    """Write down that a person said no to a version as successor of this champion."""
    ledger = settled(name)
    if ledger.rejected(version, champion) is None:
        append(name, "rejection", ledger.champion, who, why, settled_at=ledger, subject=version, evidence=evidence)


def with_vetoes(decision: Decision, name: str, version: str, champion: str | None, ledger: Ledger) -> Decision:
    """The decision, and what people have already said about this version: figures do not undo it."""
    reasons = list(decision.reasons)
    if (rejected := ledger.rejected(version, champion)) is not None:
        sentence = f"{rejected.who} rejected it on {rejected.when[:10]} as successor of this champion: {rejected.why}"
        reasons.append(Reason("rejected", None, None, False, sentence))
    if (left := ledger.withdrawn(version)) is not None:
        sentence = (
            f"It was champion, and {left.who} rolled back from it on {left.when[:10]}: {left.why}. To make it champion "
            f"again: permix rollback --model {name} --to {version} --reason …"
        )
        reasons.append(Reason("withdrawn", None, None, False, sentence))
    return replace(decision, passed=all(reason.passed for reason in reasons), reasons=tuple(reasons))


def flow_run_said() -> str:
    """Who does it, where a flow does: the worker's user and the flow run; for the ledger."""
    run = f"{prefect.runtime.flow_run.flow_name}/{prefect.runtime.flow_run.name}"
    deployed = prefect.runtime.deployment.name
    return f"{whoami()}, flow run {run}" + (f" of deployment {deployed}" if deployed else "")
