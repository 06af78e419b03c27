"""Flow: back to an earlier champion, once that has proved that it loads and answers.

python -m flows.rollback REASON [VERSION] [MODEL]      (`permix rollback --reason …` does this)
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Annotated

import mlflow
from prefect import flow
from prefect.artifacts import create_markdown_artifact
from pydantic import Field

from tasks.champion import flow_run_said, go_back
from tasks.ledger import settled
from tasks.registry import VersionError, prove
from tasks.tracking import tracked_operation


@dataclass(frozen=True)
class RolledBack:
    """What was done."""

    model: str
    version: str
    """Champion now."""
    before: str | None
    """Champion until then."""
    reply: str
    """What the version answered when it was asked."""


@flow(name="rollback")
def rollback(
    reason: Annotated[str, Field(min_length=3, max_length=2000, description="Goes into the promotion ledger.")],
    version: Annotated[str | None, Field(pattern=r"^\d+$", description="Empty: the champion before this one.")] = None,
    model: Annotated[str, Field(description="Name in the MLflow model registry.")] = "permix-organism",
    by: Annotated[str | None, Field(description="Who wants it. Empty: whoever runs the worker.")] = None,
) -> RolledBack:
    """Return to an earlier version: it must be what was registered, load and answer, before the alias moves to it.

    Raises VersionError where it does not, or where there is none to go back to; the champion then stays.
    """
    with tracked_operation(model):
        ledger = settled(model)
        target = version or ledger.previous
        if target is None:
            raise VersionError(
                f"{model} has had no champion before {ledger.champion or 'any'}; name a version to go to"
            )
        reply = prove(model, target)
        before = go_back(model, target, by or flow_run_said(), reason)
        done = RolledBack(model, target, before, reply)
        mlflow.set_tag("permix.rollback", summary(done))
        create_markdown_artifact(f"# {summary(done)}\n\n{reason}\n\n> {reply}\n", key="rollback", description=reason)
    return done


def summary(done: RolledBack) -> str:
    """One line."""
    return (
        f"{done.model}: version {done.version} is champion again, after {done.before or 'none'}; it loads and answers"
    )


if __name__ == "__main__":
    reason, *more = sys.argv[1:]
    version, model = (more + ["", "permix-organism"][len(more) :])[:2]
    try:
        print(summary(rollback(reason, version or None, model)))
    except VersionError as error:
        sys.exit(f"\n{error}\nnothing was moved")
