"""Flow: the whole chain, curate → train → evaluate → gate → promote.

python -m flows.retrain PROFILE_JSON_FILE      (`permix run --profile NAME` does this)

Each flow runs the ones before it as subflows; a stage whose inputs have not changed is reused.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import mlflow
from prefect import flow
from rich.console import Console

from flows.evaluate import evaluate
from flows.promote import Promotion, promote, summary
from permix.config import Profile
from permix.report.table import comparison_table
from permix.servers import command
from tasks.tracking import tracked_flow

REUSED = "permix.reused."


@dataclass(frozen=True)
class Retrained:
    """The outcome of a run of the whole chain."""

    promotion: Promotion
    reused: tuple[str, ...]
    """Stages whose earlier result was taken."""


@flow(name="retrain")
def retrain(profile: Profile = Profile()) -> Retrained:  # noqa: B008 - frozen, and the UI shows its defaults as a form
    """Curate, train, evaluate and promote; what has not changed is reused."""
    with tracked_flow(profile) as run_id:
        evaluated = evaluate(profile)
        promotion = promote(profile, evaluated)
    tags = mlflow.MlflowClient().get_run(run_id).data.tags
    return Retrained(promotion, tuple(tag.removeprefix(REUSED) for tag in tags if tag.startswith(REUSED)))


def show(done: Retrained, console: Console) -> None:
    """Table, decision, champion, and where to look further."""
    console.print()
    console.print(comparison_table(done.promotion.scorecards))
    console.print()
    console.print(summary(done.promotion), markup=False)
    if done.reused:
        console.print(f"reused, as nothing in them has changed: {', '.join(done.reused)}")
    console.print(
        f"\nTo see it all, in two terminals:\n"
        f"  {command('ui', 'prefect')}    flows, runs, reports, progress\n"
        f"  {command('ui', 'mlflow')}     metrics, charts, the registered model\n",
        markup=False,
    )


if __name__ == "__main__":
    show(
        retrain(Profile.model_validate_json(Path(sys.argv[1]).read_text(encoding="utf-8"))),
        Console(highlight=False, soft_wrap=True),
    )
