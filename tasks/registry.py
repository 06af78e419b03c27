"""The MLflow model registry: a candidate becomes a version.

    candidate ── register ──> version ── `challenger` ── gate ──> `champion`   (the one before becomes `previous`)

A version is created last and in one call, when its weights, tokenizer, scorecard, completions, lineage and tags are all
there, and it is found again by the digests of its policy and scorecard: a promotion killed at any line and run again
leaves one version. Which version is champion is the ledger's (`tasks.ledger`).
"""

from __future__ import annotations

import hashlib
import importlib.metadata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import mlflow
import prefect.runtime.flow_run
from mlflow.entities.model_registry import ModelVersion
from prefect import get_run_logger, task

from permix.config import Profile, digest
from permix.evaluation.answers import COMPLETIONS, Answer, read_answers
from permix.evaluation.scorecard import SCORECARD, Scorecard, read_scorecard
from permix.personas.schema import NEUTRAL
from permix.reference import MANIFEST, facts
from tasks.alias import set_alias
from tasks.ledger import CHALLENGER, create_model
from tasks.lineage import LINEAGE, lineage_of
from tasks.stage import StageResult
from tasks.tracking import FLOW_RUN_TAG, git_commit, tracked_stage

POLICY_TAG, SCORECARD_TAG = "permix.policy", "permix.scorecard"

AGENT = Path(__file__).parent / "agent.py"
SERVED_WITH = ("mlflow", "pydantic", "torch", "transformers")
# In a version's tags, to be read at a glance; the whole scorecard is an artifact of its run.
HEADLINE = ("neutral", "worst", "best", "pss", "noise_floor", "fidelity", "fidelity_solving")
QUESTION = "What is 3 + 4?"


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
        for name in (SCORECARD, COMPLETIONS):
            if not self.scorecard.reference.file(name).is_file():
                raise IncompleteCandidateError(f"{self.scorecard.path} holds no {name}; remove it and evaluate again")
        for stage in (self.problems, self.personas):
            if not stage.digest:
                raise IncompleteCandidateError(f"{stage.stage} has no digest, so nobody could tell what it was")


class VersionError(RuntimeError):
    """A registered version does not load, does not answer, or is not what was registered; the message says which."""


@task(name="register")
def register(profile: Profile, candidate: Candidate) -> str:
    """Register the candidate in a nested MLflow run, or find the version that it is; returns the version."""
    logger = get_run_logger()
    name = profile.promotion.registered_model
    candidate.check()
    if (found := find_version(name, candidate)) is not None:
        logger.info("already registered as %s version %s", name, found)
        return found
    with tracked_stage("register") as run_id:
        scorecard = read_scorecard(candidate.scorecard.path)
        for file in (SCORECARD, COMPLETIONS):
            mlflow.log_artifact(str(candidate.scorecard.reference.file(file)))
        mlflow.log_dict(
            lineage_of(profile, candidate.policy, candidate.scorecard, candidate.problems, candidate.personas), LINEAGE
        )
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
        answer(model.model_uri)
        create_model(name, "Persona-robust, persona-faithful policies; made by permix.")
        created = mlflow.MlflowClient().create_model_version(
            name,
            source=model.model_uri,
            run_id=run_id,
            model_id=model.model_id,
            tags={**candidate.identity(), **_lineage(profile, candidate), **_headline(scorecard)},
            description=_description(profile, scorecard),
            await_creation_for=0,
        )
    version = _only_one(name, candidate, str(created.version))
    logger.info("registered %s version %s", name, version)
    return version


def find_version(name: str, candidate: Candidate) -> str | None:
    """The version that holds this very checkpoint and scorecard."""
    versions = _same(name, candidate)
    return versions[0] if versions else None


def version_tags(name: str, version: str) -> dict[str, str]:
    """The tags of a version. Raises VersionError naming those that there are, where there is no such version."""
    return dict(_version(name, version).tags)


def scorecard_of(name: str, version: str) -> Scorecard:
    """The scorecard that a version was registered with. Raises ValueError where it is of another version of permix."""
    run_id = _version(name, version).run_id
    return read_scorecard(Path(mlflow.artifacts.download_artifacts(f"runs:/{run_id}/{SCORECARD}")).parent)


def answers_of(name: str, version: str) -> Sequence[Answer]:
    """The completions that its scorecard was made of."""
    run_id = _version(name, version).run_id
    return read_answers(Path(mlflow.artifacts.download_artifacts(f"runs:/{run_id}/{COMPLETIONS}")).parent)


def checkpoint_of(name: str, version: str) -> Path:
    """The directory of a version's weights and tokenizer; a copy of it where the store is not on this machine."""
    return Path(mlflow.artifacts.download_artifacts(f"models:/{name}/{version}")) / "artifacts" / "policy"


@task(name="prove", task_run_name="prove: version {version}")
def prove(name: str, version: str) -> str:
    """Load a version as its users will, and have it answer; what it answered is logged into the active MLflow run.

    Raises VersionError where its files are not those that were registered, or it does not load, or does not answer.
    """
    registered = _version(name, version).tags.get(POLICY_TAG)
    try:
        checkpoint = checkpoint_of(name, version)
        files = {
            f"policy/{path.relative_to(checkpoint).as_posix()}": hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(checkpoint.rglob("*"))
            if path.is_file() and path.name != MANIFEST
        }
        if registered is not None and digest(files) != registered:
            raise VersionError(f"{name} version {version}: its weights or tokenizer are not those that were registered")
        reply = answer(f"models:/{name}/{version}")
    # Whatever keeps it from loading is a reason not to go there; MLflow, safetensors and transformers raise their own.
    except Exception as error:
        if isinstance(error, VersionError):
            raise
        raise VersionError(f"{name} version {version} does not load and answer: {error}") from error
    mlflow.log_dict({"version": version, "question": QUESTION, "reply": reply, "policy": registered}, "proof.json")
    get_run_logger().info("%s version %s loads and answers: %s", name, version, reply)
    return reply


@task(name="make challenger", task_run_name="make challenger: version {version}")
def make_challenger(name: str, version: str) -> None:
    """Point `challenger` to a version."""
    set_alias(name, CHALLENGER, version)


def answer(model_uri: str) -> str:
    """What a model answers to a plain question. Raises IncompleteCandidateError where that is nothing."""
    model = mlflow.pyfunc.load_model(model_uri)
    messages = [{"role": "system", "content": NEUTRAL.text}, {"role": "user", "content": QUESTION}]
    reply: str = model.predict([{"messages": messages, "temperature": 0.0}])[0]
    if not reply:
        raise IncompleteCandidateError(
            f"{model_uri} loads but answers nothing; look at its chat template and end token"
        )
    return reply


def _same(name: str, candidate: Candidate) -> list[str]:
    """Versions of this very checkpoint and scorecard, oldest first."""
    tags = " and ".join(f"tags.`{tag}` = '{value}'" for tag, value in candidate.identity().items())
    found = mlflow.search_model_versions(filter_string=f"name = '{name}' and {tags}")
    return [str(number) for number in sorted(int(version.version) for version in found)]


def _only_one(name: str, candidate: Candidate, created: str) -> str:
    """The oldest of the versions of this candidate; another flow may have registered it while this one did."""
    oldest = _same(name, candidate)[0]
    if oldest != created:
        mlflow.MlflowClient().delete_model_version(name, created)
    return oldest


def _version(name: str, version: str) -> ModelVersion:
    found = {str(each.version): each for each in mlflow.search_model_versions(filter_string=f"name = '{name}'")}
    if version not in found:
        there = ", ".join(sorted(found, key=int)) or "none yet"
        raise VersionError(f"{name} has no version {version}; there are: {there}")
    return found[version]


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
    training = profile.training
    arm = f"permix ({training.mixing})" if training.arm == "permix" else training.arm
    made_by = f"{profile.name}, {arm}, seed {profile.seed}"
    return f"{made_by}: {', '.join(figures)}"


def _headline(scorecard: Scorecard) -> dict[str, str]:
    metrics = scorecard.metrics()
    return {f"scorecard.{name}": f"{metrics[name]:.4f}" for name in HEADLINE if name in metrics}
