"""The MLflow model registry: a candidate becomes a version; aliases say which is which.

    candidate ── register ──> version ── `challenger` ── gate ──> `champion`   (the one before becomes `previous`)

A version is created last and in one call, when its weights, tokenizer, scorecard and tags are all there, and it is
found again by the digests of its policy and scorecard: a promotion killed at any line and run again leaves one version
and right aliases.
"""

from __future__ import annotations

import importlib.metadata
from dataclasses import dataclass
from pathlib import Path

import mlflow
import prefect.runtime.flow_run
from mlflow.entities.model_registry import RegisteredModel
from prefect import get_run_logger, task

from permix.config import Profile, digest
from permix.evaluation.scorecard import SCORECARD, Scorecard, read_scorecard
from permix.personas.schema import NEUTRAL
from permix.reference import facts
from tasks.stage import StageResult
from tasks.tracking import FLOW_RUN_TAG, git_commit

CHALLENGER, CHAMPION, PREVIOUS = "challenger", "champion", "previous"
POLICY_TAG, SCORECARD_TAG = "permix.policy", "permix.scorecard"

AGENT = Path(__file__).parent / "agent.py"
SERVED_WITH = ("mlflow", "pydantic", "torch", "transformers")
# In a version's tags, to be read at a glance; the whole scorecard is an artifact of its run.
HEADLINE = ("neutral", "worst", "best", "pss", "noise_floor", "fidelity", "fidelity_solving")


class IncompleteCandidateError(ValueError):
    """A candidate lacks what a registered version must have; the message names it."""


@dataclass(frozen=True)
class Candidate:
    """What is to be registered: a trained policy, its scorecard, and the data that both come from."""

    policy: StageResult
    """`policy/` in it is the checkpoint with its tokenizer."""
    scorecard: StageResult
    problems: StageResult
    personas: StageResult

    @property
    def checkpoint(self) -> Path:
        """The directory of the weights and the tokenizer."""
        return self.policy.reference.file("policy")

    def identity(self) -> dict[str, str]:
        """The tags by which its version is found again: digests of the checkpoint and of the scorecard.

        Not of the stages: trained again with the same result, a policy is still the same.
        """
        checkpoint = {
            name: sha for name, sha in facts(self.policy.reference)["files"].items() if name.startswith("policy/")
        }
        return {POLICY_TAG: digest(checkpoint), SCORECARD_TAG: facts(self.scorecard.reference)["files"][SCORECARD]}

    def check(self) -> None:
        """Raise IncompleteCandidateError where weights, tokenizer, chat template or scorecard are missing."""
        for pattern in ("config.json", "*.safetensors", "tokenizer.json", "chat_template.jinja"):
            if not any(self.checkpoint.glob(pattern)):
                raise IncompleteCandidateError(
                    f"{self.checkpoint} holds no {pattern}; remove {self.policy.path} and train again"
                )
        if not self.scorecard.reference.file(SCORECARD).is_file():
            raise IncompleteCandidateError(f"{self.scorecard.path} holds no {SCORECARD}; remove it and evaluate again")


@task(name="register")
def register(profile: Profile, candidate: Candidate) -> str:
    """Register the candidate under the active MLflow run, or find the version that it is; returns the version."""
    logger = get_run_logger()
    name = profile.promotion.registered_model
    candidate.check()
    if (found := find_version(name, candidate)) is not None:
        logger.info("already registered as %s version %s", name, found)
        return found
    scorecard = read_scorecard(candidate.scorecard.path)
    mlflow.log_artifact(str(candidate.scorecard.reference.file(SCORECARD)))
    model = mlflow.pyfunc.log_model(
        name="policy",
        python_model=AGENT,
        artifacts={"policy": str(candidate.checkpoint)},
        model_config={
            "temperature": profile.evaluation.temperature,
            "max_tokens": profile.evaluation.max_completion_tokens,
        },
        pip_requirements=[f"{package}=={importlib.metadata.version(package)}" for package in SERVED_WITH],
    )
    mlflow.log_metrics(scorecard.metrics(), model_id=model.model_id)
    _prove(model.model_uri)
    client = mlflow.MlflowClient()
    if registered_model(name) is None:
        client.create_registered_model(name, description="Persona-robust, persona-faithful policies; made by permix.")
    run = mlflow.active_run()
    assert run is not None
    created = client.create_model_version(
        name,
        source=model.model_uri,
        run_id=run.info.run_id,
        model_id=model.model_id,
        tags={**candidate.identity(), **_lineage(profile, candidate), **_headline(scorecard)},
        description=_description(profile, scorecard),
        await_creation_for=0,
    )
    logger.info("registered %s version %s", name, created.version)
    return str(created.version)


def find_version(name: str, candidate: Candidate) -> str | None:
    """The version that holds this very checkpoint and scorecard."""
    tags = " and ".join(f"tags.`{tag}` = '{value}'" for tag, value in candidate.identity().items())
    found = mlflow.MlflowClient().search_model_versions(f"name = '{name}' and {tags}")
    return str(found[0].version) if found else None


def registered_model(name: str) -> RegisteredModel | None:
    """The registered model, with its aliases; None before its first version."""
    found = mlflow.MlflowClient().search_registered_models(f"name = '{name}'")
    return found[0] if found else None


def alias(name: str, which: str) -> str | None:
    """The version that an alias of a registered model points to; None where there is no such alias."""
    model = registered_model(name)
    version = model.aliases.get(which) if model is not None else None
    return None if version is None else str(version)


def scorecard_of(name: str, version: str) -> Scorecard:
    """The scorecard that a version was registered with."""
    run_id = mlflow.MlflowClient().get_model_version(name, version).run_id
    return Scorecard.model_validate_json(mlflow.artifacts.load_text(f"runs:/{run_id}/{SCORECARD}"))


def checkpoint_of(name: str, version: str) -> Path:
    """The directory of a version's weights and tokenizer; a copy of it where the store is not on this machine."""
    return Path(mlflow.artifacts.download_artifacts(f"models:/{name}/{version}")) / "artifacts" / "policy"


@task(name="make challenger", task_run_name="make challenger: version {version}")
def make_challenger(name: str, version: str) -> None:
    """Point `challenger` to a version."""
    mlflow.MlflowClient().set_registered_model_alias(name, CHALLENGER, version)


@task(name="make champion", task_run_name="make champion: version {version}")
def make_champion(name: str, version: str) -> None:
    """Point `champion` to a version, `previous` to the champion before, and `challenger` to none."""
    client = mlflow.MlflowClient()
    before = alias(name, CHAMPION)
    # In this order, so that a promotion killed in between and run again still knows who was champion before.
    if before is not None and before != version:
        client.set_registered_model_alias(name, PREVIOUS, before)
    client.set_registered_model_alias(name, CHAMPION, version)
    if alias(name, CHALLENGER) == version:
        client.delete_registered_model_alias(name, CHALLENGER)


def _prove(model_uri: str) -> None:
    """Load the model as its users will, and have it answer under a persona."""
    model = mlflow.pyfunc.load_model(model_uri)
    messages = [{"role": "system", "content": NEUTRAL.text}, {"role": "user", "content": "What is 3 + 4?"}]
    if not model.predict([{"messages": messages, "temperature": 0.0}])[0]:
        raise IncompleteCandidateError(
            f"{model_uri} loads but answers nothing; look at its chat template and end token"
        )


def _lineage(profile: Profile, candidate: Candidate) -> dict[str, str]:
    return {
        "permix.profile": profile.name,
        "permix.seed": str(profile.seed),
        "permix.arm": profile.training.arm,
        "permix.mixing": profile.training.mixing,
        "permix.problems": candidate.problems.digest,
        "permix.personas": candidate.personas.digest,
        "permix.training_run": candidate.policy.mlflow_run_id,
        "permix.evaluation_run": candidate.scorecard.mlflow_run_id,
        "permix.commit": git_commit(),
        FLOW_RUN_TAG: str(prefect.runtime.flow_run.root_flow_run_id),
    }


def _description(profile: Profile, scorecard: Scorecard) -> str:
    metrics = scorecard.metrics()
    figures = [f"{name} {metrics[name]:.2f}" for name in ("neutral", "pss", "fidelity") if name in metrics]
    made_by = f"{profile.name}, {profile.training.arm} ({profile.training.mixing}), seed {profile.seed}"
    return f"{made_by}: {', '.join(figures)}"


def _headline(scorecard: Scorecard) -> dict[str, str]:
    metrics = scorecard.metrics()
    return {f"scorecard.{name}": f"{metrics[name]:.4f}" for name in HEADLINE if name in metrics}
