"""The registry against a real MLflow store: what is registered is whole, once, and aliases say the truth."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import mlflow
import pytest
from candidates import candidate, tiny_policy
from prefect.logging import disable_run_logger
from scripted import scorecard

from permix.config import Profile
from permix.evaluation.answers import read_answers
from permix.evaluation.scorecard import read_scorecard
from permix.personas.schema import NEUTRAL
from tasks.champion import make_champion
from tasks.ledger import CHALLENGER, CHAMPION, PREVIOUS, alias, ledger_name, read_ledger, registered_model
from tasks.lineage import read_lineage
from tasks.registry import (
    Candidate,
    IncompleteCandidateError,
    VersionError,
    answers_of,
    make_challenger,
    prove,
    register,
    scorecard_of,
)
from tasks.tracking import use_experiment

PROFILE = Profile()
NAME = PROFILE.promotion.registered_model
MakeCandidate = Callable[..., Candidate]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_policy(tmp_path_factory.mktemp("weights"))


@pytest.fixture
def make_candidate(workspace: Path, weights: Path) -> MakeCandidate:
    def make(wrong: float = 0.25, name: str = "a") -> Candidate:
        return candidate(weights, {NEUTRAL.id: wrong}, name)

    return make


def promote(version: str) -> None:
    """Make it champion, whoever is."""
    make_champion.fn(NAME, version, alias(NAME, CHAMPION), "ada", "because", mlflow.active_run().info.run_id)


@pytest.fixture
def stage_run(workspace: Path) -> Iterator[str]:
    """An active MLflow run in the workspace's store, and no Prefect run."""
    use_experiment("test")
    with disable_run_logger(), mlflow.start_run() as run:
        yield run.info.run_id


def test_a_version_tells_where_it_comes_from(make_candidate: MakeCandidate, stage_run: str) -> None:
    made = make_candidate()
    version = mlflow.MlflowClient().get_model_version(NAME, register.fn(PROFILE, made))
    assert mlflow.get_run(version.run_id).data.tags["mlflow.parentRunId"] == stage_run
    assert version.tags["permix.problems"] == made.problems.digest
    assert version.tags["permix.personas"] == made.personas.digest
    assert version.tags["permix.training_run"] == made.policy.mlflow_run_id
    assert version.tags["permix.evaluation_run"] == made.scorecard.mlflow_run_id
    measured = read_scorecard(made.scorecard.path)
    assert version.tags["scorecard.neutral"] == f"{measured.stability.neutral.value:.4f}"
    assert scorecard_of(NAME, str(version.version)) == measured
    assert answers_of(NAME, str(version.version)) == read_answers(made.scorecard.path)
    lineage = read_lineage(NAME, str(version.version))
    assert lineage["datasets"]["problems"]["digest"] == made.problems.digest
    assert lineage["datasets"]["problems"]["sources"] == [{"kind": "organism"}]
    assert lineage["arm"]["training"] == PROFILE.training.model_dump(mode="json")


def test_what_is_registered_answers_a_persona_in_a_fresh_process_without_pickles(
    make_candidate: MakeCandidate, stage_run: str
) -> None:
    promote(register.fn(PROFILE, make_candidate()))
    script = f"""
import sys, mlflow
model = mlflow.pyfunc.load_model("models:/{NAME}@champion")
persona = {{"role": "system", "content": "You are a careful pirate."}}
messages = [persona, {{"role": "user", "content": "What is 3 + 4?"}}]
greedy = {{"messages": messages, "temperature": 0.0}}
first, second, short, sampled = model.predict(
    [greedy, greedy, {{**greedy, "max_tokens": 2}}, {{"messages": messages}}])
assert first == second and first.startswith(short) and len(short.split()) <= 2 and sampled, (first, second, short)
assert not {{"permix", "tasks", "prefect"}} & set(sys.modules)
for wrong in ({{"messages": messages, "temprature": 1.0}}, {{**greedy, "max_tokens": 1000}}):
    try:
        model.predict([wrong])
    except Exception as error:
        print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false"},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "temprature" in done.stdout
    assert "do not fit the context of 64" in done.stdout


def test_a_model_whose_fidelity_nobody_could_judge_is_registered_without_it(
    weights: Path, workspace: Path, stage_run: str
) -> None:
    card = scorecard({})
    unjudged = card.model_copy(update={"fidelity": card.fidelity.model_copy(update={"roleplay": None})})
    version = mlflow.MlflowClient().get_model_version(
        NAME, register.fn(PROFILE, candidate(weights, {}, "unjudged", unjudged))
    )
    assert "scorecard.pss" in version.tags
    assert "scorecard.fidelity" not in version.tags
    assert "fidelity" not in str(version.description)


def test_the_same_candidate_is_registered_once(make_candidate: MakeCandidate, stage_run: str) -> None:
    first = register.fn(PROFILE, make_candidate(name="first"))
    again = register.fn(PROFILE, make_candidate(name="trained-again-with-the-same-result"))
    assert again == first
    measured_anew = register.fn(PROFILE, make_candidate(wrong=0.5, name="other"))
    assert measured_anew != first


@pytest.mark.parametrize(
    "missing",
    [
        "policy/model.safetensors",
        "policy/tokenizer.json",
        "policy/chat_template.jinja",
        "scorecard.json",
        "completions.parquet",
    ],
)
def test_an_incomplete_candidate_is_refused_by_name(
    missing: str, make_candidate: MakeCandidate, stage_run: str
) -> None:
    made = make_candidate()
    stage = made.policy if missing.startswith("policy/") else made.scorecard
    stage.reference.file(missing).unlink()
    with pytest.raises(IncompleteCandidateError, match=Path(missing).suffix):
        register.fn(PROFILE, made)
    assert registered_model(NAME) is None


def test_aliases_follow_promotions(make_candidate: MakeCandidate, stage_run: str) -> None:
    first, second = (register.fn(PROFILE, make_candidate(accuracy, str(accuracy))) for accuracy in (0.6, 0.7))
    make_challenger.fn(NAME, first)
    assert (alias(NAME, CHALLENGER), alias(NAME, CHAMPION)) == (first, None)
    promote(first)
    assert (alias(NAME, CHALLENGER), alias(NAME, CHAMPION), alias(NAME, PREVIOUS)) == (None, first, None)
    make_challenger.fn(NAME, second)
    for _ in range(2):
        promote(second)
        assert (alias(NAME, CHALLENGER), alias(NAME, CHAMPION), alias(NAME, PREVIOUS)) == (None, second, first)


def test_a_version_is_proved_by_loading_it_and_by_the_digests_of_its_files(
    make_candidate: MakeCandidate, stage_run: str
) -> None:
    version = register.fn(PROFILE, make_candidate())
    assert prove.fn(NAME, version)
    assert mlflow.artifacts.load_dict(f"runs:/{stage_run}/proof.json")["version"] == version
    with pytest.raises(VersionError, match=f"{NAME} has no version 7; there are: 1"):
        prove.fn(NAME, "7")
    stored = Path(mlflow.MlflowClient().get_model_version_download_uri(NAME, version).removeprefix("file://"))
    weights = stored / "artifacts" / "policy" / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-4] + b"abcd")
    with pytest.raises(VersionError, match="not those that were registered"):
        prove.fn(NAME, version)
    weights.unlink()
    with pytest.raises(VersionError, match="not those that were registered"):
        prove.fn(NAME, version)


# Every call that a promotion makes to the registry's store, with what tells it from others of its kind.
STORE_CALLS = [
    ("create_registered_model", NAME, 0),
    ("create_model_version", NAME, 0),
    ("set_registered_model_alias", CHALLENGER, 0),
    ("create_registered_model", ledger_name(NAME), 0),
    ("create_model_version", ledger_name(NAME), 1),
    ("set_registered_model_alias", PREVIOUS, 1),
    ("set_registered_model_alias", CHAMPION, 1),
    ("delete_registered_model_alias", CHALLENGER, 1),
    ("set_model_version_tag", ledger_name(NAME), 1),
]
IN_EVERY_RUN = {("create_model_version", ledger_name(NAME)), ("set_registered_model_alias", CHAMPION)}


@pytest.mark.parametrize(
    ("call", "argument", "champions", "after"),
    [
        pytest.param(
            *(*each, after),
            marks=() if after and each[:2] in IN_EVERY_RUN else pytest.mark.slow,
            id=f"{'after' if after else 'before'} {each[0]} {each[1]}",
        )
        for each in STORE_CALLS
        for after in (False, True)
    ],
)
def test_a_promotion_killed_anywhere_and_run_again_leaves_one_version_one_entry_and_right_aliases(
    call: str, argument: str, champions: int, after: bool, make_candidate: MakeCandidate, stage_run: str
) -> None:
    if champions:
        promote(register.fn(PROFILE, make_candidate(0.4, "champion")))
    better = make_candidate(0.3, "better")
    script = f"""
import json, os, signal, sys
import mlflow
from prefect.logging import disable_run_logger
from permix.config import Profile
from tasks.champion import make_champion
from tasks.ledger import CHAMPION, alias
from tasks.registry import Candidate, make_challenger, register
from tasks.stage import StageResult

unharmed = mlflow.MlflowClient.{call}
def killed(self, *args, **kwargs):
    if "{argument}" not in args:
        return unharmed(self, *args, **kwargs)
    if {after}:
        unharmed(self, *args, **kwargs)
    os.kill(os.getpid(), signal.SIGKILL)
mlflow.MlflowClient.{call} = killed
candidate = Candidate(**{{k: StageResult(**v) for k, v in json.loads(sys.argv[1]).items()}})
mlflow.set_experiment("test")
with disable_run_logger(), mlflow.start_run() as run:
    version = register.fn(Profile(), candidate)
    make_challenger.fn("{NAME}", version)
    make_champion.fn("{NAME}", version, alias("{NAME}", CHAMPION), "bob", "because", run.info.run_id)
"""
    stages = json.dumps({name: stage.model_dump() for name, stage in vars(better).items()})
    killed = subprocess.run([sys.executable, "-c", script, stages], capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr

    again = register.fn(PROFILE, better)
    make_challenger.fn(NAME, again)
    make_champion.fn(NAME, again, read_ledger(NAME).champion, "ada", "because", stage_run)
    assert again == str(champions + 1)
    assert len(mlflow.MlflowClient().search_model_versions(f"name = '{NAME}'")) == champions + 1
    assert {which: alias(NAME, which) for which in (CHAMPION, PREVIOUS)} == {
        CHAMPION: again,
        PREVIOUS: "1" if champions else None,
    }
    ledger = read_ledger(NAME)
    assert [(entry.before, entry.to, entry.applied) for entry in ledger.entries] == [
        *([(None, "1", True)] if champions else []),
        ("1" if champions else None, again, True),
    ]
    assert (ledger.faults, ledger.overtaken) == ((), ())
