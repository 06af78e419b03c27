"""Flow: the candidate becomes a registered version and, if the gate passes, the champion.

python -m flows.promote PROFILE_JSON_FILE      (`permix promote --profile NAME` does this)
"""

from __future__ import annotations

from dataclasses import dataclass

from prefect import flow, get_run_logger
from rich.console import Console

from flows.command import run_as_command
from flows.evaluate import Evaluated, evaluate
from permix.config import Profile
from permix.evaluation.scorecard import Scorecard, read_scorecard
from permix.gate import Decision, decide
from tasks.decision import record_decision
from tasks.evaluation import evaluate_policy, given_model
from tasks.registry import (
    CHAMPION,
    Candidate,
    alias,
    checkpoint_of,
    make_challenger,
    make_champion,
    register,
    scorecard_of,
)
from tasks.stage import run_stage
from tasks.tracking import tracked_flow, tracked_stage


@dataclass(frozen=True)
class Promotion:
    """What became of a candidate."""

    model: str
    """Name in the registry."""
    version: str
    """The candidate's version."""
    champion: str | None
    """The version that is champion now; None where none has passed yet."""
    decision: Decision | None
    """None where the candidate was champion already: there was nothing to decide."""
    scorecards: dict[str, Scorecard]
    """What the decision stands on: `base`, `candidate`, and, where there was another champion, `champion vN`."""


@flow(name="promote")
def promote(profile: Profile = Profile(), evaluated: Evaluated | None = None) -> Promotion:  # noqa: B008 - frozen
    """Register the candidate, hold it against the gate and, if it passes, make it champion."""
    name = profile.promotion.registered_model
    with tracked_flow(profile):
        evaluated = evaluated or evaluate(profile)
        scorecards = {label: read_scorecard(result.path) for label, result in evaluated.scorecards.items()}
        candidate = Candidate(
            policy=evaluated.models["candidate"],
            scorecard=evaluated.scorecards["candidate"],
            problems=evaluated.problems,
            personas=evaluated.personas,
        )
        with tracked_stage("register"):
            version = register(profile, candidate)
        before = alias(name, CHAMPION)
        if before == version:
            get_run_logger().info("promote: %s version %s is champion already; nothing changes", name, version)
            # It only ends what a promotion that was killed after its last decision had left to do.
            make_champion(name, version)
            return Promotion(name, version, version, None, scorecards)
        make_challenger(name, version)
        champion = None
        if before is not None:
            champion = _champion_scorecard(profile, before, evaluated, scorecards["candidate"].protocol)
            scorecards[f"champion v{before}"] = champion
        decision = decide(scorecards["candidate"], champion, profile.promotion)
        with tracked_stage("gate"):
            record_decision(name, version, before, decision, scorecards)
        if decision.passed:
            make_champion(name, version)
        return Promotion(name, version, version if decision.passed else before, decision, scorecards)


def _champion_scorecard(profile: Profile, version: str, evaluated: Evaluated, protocol: str) -> Scorecard:
    """The champion's scorecard as it was registered; measured anew where the candidate was asked something else."""
    name = profile.promotion.registered_model
    registered = scorecard_of(name, version)
    if registered.protocol == protocol:
        return registered
    get_run_logger().info("promote: the champion, version %s, was asked other questions; asking it these", version)
    champion = given_model(str(checkpoint_of(name, version)))
    measured = run_stage(evaluate_policy, profile, champion, evaluated.problems, evaluated.personas, "champion")
    return read_scorecard(measured.path)


def summary(promotion: Promotion) -> str:
    """The decision with its reasons, and which version is champion, for a terminal."""
    candidate = f"{promotion.model} version {promotion.version}"
    if promotion.decision is None:
        return f"{candidate} was champion already; nothing has changed"
    reasons = [f"  {'✓' if reason.passed else '✗'} {reason.sentence}" for reason in promotion.decision.reasons]
    verdict = f"gate: {candidate} {'passes' if promotion.decision.passed else 'does not pass'}"
    champion = f"version {promotion.champion}" if promotion.champion else "none yet"
    return "\n".join([verdict, *reasons, f"champion: {champion}"])


if __name__ == "__main__":
    Console(highlight=False).print(summary(run_as_command(promote)), markup=False)
