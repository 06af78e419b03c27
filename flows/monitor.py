"""Flow: is the champion still as good as it was registered, and is there new data? If not, it says so by an event.

python -m flows.monitor PROFILE_JSON_FILE [draw=N] [personas_file=PATH]      (`permix monitor` does this)

An automation (`triggers` in prefect.yaml) answers the event with a retrain.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

import mlflow
from prefect import flow, get_run_logger
from prefect.artifacts import create_markdown_artifact
from prefect.events import emit_event
from pydantic import Field

from flows.command import run_as_command
from flows.curate import Curated, curate
from permix.config import AdaptiveSettings, FilePersonas, PersonaSettings, Profile
from permix.evaluation.scorecard import Scorecard, read_scorecard
from permix.report.table import comparison_markdown
from permix.watch import fallen
from tasks.curation import curate_personas
from tasks.evaluation import evaluate_policy
from tasks.given import given_model
from tasks.ledger import CHAMPION, alias
from tasks.registry import checkpoint_of, scorecard_of, version_tags
from tasks.stage import StageResult, run_stage
from tasks.tracking import tracked_flow

WORSE, NEW_DATA = "permix.champion.worse", "permix.data.new"
"""Names of the events."""


@dataclass(frozen=True)
class Watched:
    """What was found."""

    model: str
    champion: str | None
    """None: there is none to watch."""
    reasons: dict[str, list[str]]
    """Sentences, by event; empty where all is as it was."""
    scorecards: dict[str, Scorecard]


@flow(name="monitor")
def monitor(
    profile: Profile = Profile(),  # noqa: B008 - frozen, and the UI shows its defaults as a form
    draw: Annotated[int | None, Field(ge=0, description="Seed of the fresh draw. Empty: one for each day.")] = None,
    personas_file: Annotated[
        str | None, Field(description="A .txt file with one persona prompt a line, or .jsonl with `persona`.")
    ] = None,
) -> Watched:
    """Evaluate the champion on a fresh draw and on your own persona prompts, look for new data, and tell of changes."""
    name = profile.promotion.registered_model
    with tracked_flow(profile):
        champion = alias(name, CHAMPION)
        if champion is None:
            get_run_logger().warning("monitor: %s has no champion yet; there is nothing to watch", name)
            return Watched(name, None, {}, {})
        registered = scorecard_of(name, champion)
        curated = curate(profile)
        fresh = _fresh(profile, draw)
        model = given_model(str(checkpoint_of(name, champion)))
        asked = {"fresh problems": curated.personas}
        if personas_file is not None:
            asked["your personas"] = run_stage(curate_personas, _yours(personas_file), profile.model.base)
        scorecards = {f"registered, v{champion}": registered}
        worse = []
        for on, personas in asked.items():
            label = f"champion-{on.replace(' ', '-')}"
            measured = run_stage(evaluate_policy, fresh, model, curated.problems, personas, label)
            scorecards[on] = read_scorecard(measured.path)
            worse += [fall.sentence for fall in fallen(registered, scorecards[on], on)]
        found = {WORSE: worse, NEW_DATA: _new_data(version_tags(name, champion), curated)}
        watched = Watched(name, champion, {event: why for event, why in found.items() if why}, scorecards)
        mlflow.set_tag("permix.monitor", summary(watched)[:5000])
        create_markdown_artifact(_markdown(watched), key="monitor", description=f"{name} version {champion}")
        for event, reasons in watched.reasons.items():
            _tell(event, profile, champion, reasons)
    get_run_logger().info("monitor: %s", summary(watched))
    return watched


def summary(watched: Watched) -> str:
    """All is well, or what has changed."""
    if watched.champion is None:
        return f"{watched.model} has no champion yet; there is nothing to watch"
    reasons = [reason for reasons in watched.reasons.values() for reason in reasons]
    return f"{watched.model} version {watched.champion}: " + ("; ".join(reasons) or "as it was registered; no new data")


def _fresh(profile: Profile, draw: int | None) -> Profile:
    """The same questions to another draw of problems, no more of them than the interval of PSS needs."""
    seed = datetime.now(UTC).toordinal() if draw is None else draw
    adaptive = profile.evaluation.adaptive or AdaptiveSettings()
    evaluation = profile.evaluation.model_copy(update={"adaptive": adaptive})
    return profile.model_copy(update={"seed": seed, "evaluation": evaluation})


def _tell(event: str, profile: Profile, champion: str, reasons: list[str]) -> None:
    name = profile.promotion.registered_model
    emit_event(
        event,
        resource={"prefect.resource.id": f"permix.model.{name}", "prefect.resource.name": name},
        payload={"version": champion, "reasons": reasons, "profile": profile.model_dump(mode="json")},
    )
    get_run_logger().warning("monitor: %s: %s", event, "; ".join(reasons))


def _yours(path: str) -> PersonaSettings:
    """The operator's own prompts, as they stand, none of them held back for training."""
    return PersonaSettings(sources=(FilePersonas(kind="file", name="yours", path=path, eval_share=1),))


def _new_data(tags: dict[str, str], curated: Curated) -> list[str]:
    now: dict[str, StageResult] = {"problems": curated.problems, "personas": curated.personas}
    return [
        f"{kind} have changed since the champion: {tags[f'permix.{kind}'][:12]} then, {result.digest[:12]} now"
        for kind, result in now.items()
        if tags.get(f"permix.{kind}", result.digest) != result.digest
    ]


def _markdown(watched: Watched) -> str:
    said = "\n".join(f"- **{event}**: {reason}" for event, reasons in watched.reasons.items() for reason in reasons)
    return f"# {watched.model} version {watched.champion}\n\n{said or 'As it was registered; no new data.'}\n\n" + (
        comparison_markdown(watched.scorecards)
    )


if __name__ == "__main__":
    print(summary(run_as_command(monitor)))
