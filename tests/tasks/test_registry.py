"""The registry against a real MLflow store: what is registered is whole, once, and aliases say the truth."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mlflow
import pytest
from prefect.logging import disable_run_logger

from permix.config import OrganismSettings, Profile
from permix.organism.base import train_base
from permix.reference import finish
from tasks.registry import (
    CHALLENGER,
    CHAMPION,
    PREVIOUS,
    Candidate,
    IncompleteCandidate,
    alias,
    make_challenger,
    make_champion,
    register,
    registered_model,
    scorecard_of,
)
from tasks.stage import StageResult
from tasks.tracking import use_experiment

PROFILE = Profile()
NAME = PROFILE.promotion.registered_model
MakeCandidate = Callable[..., Candidate]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real checkpoint with its tokenizer: the smallest organism, hardly trained."""
    directory = tmp_path_factory.mktemp("weights")
    train_base(OrganismSettings(hidden_size=32, layers=1, heads=2, steps=60, batch_size=16), 0, directory)
    return directory


@pytest.fixture
def make_candidate(workspace: Path, weights: Path) -> MakeCandidate:
    """Finished stage directories, as training and evaluation leave them."""

    def make(accuracy: float = 0.75, name: str = "a") -> Candidate:
        def stage(stage_name: str, fill: Callable[[Path], Any]) -> StageResult:
            directory = workspace / stage_name / name
            directory.mkdir(parents=True)
            fill(directory)
            reference = finish(directory)
            return StageResult(stage=stage_name, path=reference.path, digest=reference.digest, mlflow_run_id="none")

        return Candidate(
            policy=stage("training", lambda d: shutil.copytree(weights, d / "policy")),
            scorecard=stage("evaluation", lambda d: (d / "scorecard.json").write_text(json.dumps(scorecard(accuracy)))),
            problems=stage("problems", lambda d: None),
            personas=stage("personas", lambda d: None),
        )

    return make


@pytest.fixture
def stage_run(workspace: Path) -> Iterator[str]:
    """An active MLflow run in the workspace's store, and no Prefect run."""
    use_experiment("test")
    with disable_run_logger(), mlflow.start_run() as run:
        yield run.info.run_id


def scorecard(accuracy: float) -> dict[str, Any]:
    """The smallest whole scorecard; its PSS is 1, its accuracies are all the given one."""
    same = {"value": accuracy, "low": accuracy, "high": accuracy}
    one = {"value": 1.0, "low": 1.0, "high": 1.0}
    zero = {"value": 0.0, "low": 0.0, "high": 0.0}
    return {
        "model": "m", "protocol": "p", "problems": 2, "ungradable": 0, "problems_left_out": [], "samples": 1,
        "temperature": 1.0, "confidence": 0.95, "cut": 0.0, "neutral_greedy": accuracy,
        "stability": {
            **dict.fromkeys(("neutral", "mean", "worst", "best", "cps"), same),
            **dict.fromkeys(("pss", "noise_floor", "all_over_any", "sat"), one),
            **dict.fromkeys(("best_minus_worst", "worst_minus_neutral", "prompt_sensi_score"), zero),
            "worst_persona": "organism/calm-pirate", "best_persona": "organism/calm-pirate",
        },
        "fidelity": {"judge": "voice", "personas": 1, "roleplay": one, "solving": one, "note": ""},
        "personas": [
            {"id": "organism/calm-pirate", "kind": "roleplay", "text": "You are a calm pirate.", "accuracy": same,
             "roleplay": 1.0, "solving": 1.0}
        ],
        "kinds": {"roleplay": {"personas": 1, "accuracy": same, "roleplay": 1.0, "solving": 1.0}},
    }  # fmt: skip


def test_a_version_tells_where_it_comes_from(make_candidate: MakeCandidate, stage_run: str) -> None:
    candidate = make_candidate(accuracy=0.75)
    version = mlflow.MlflowClient().get_model_version(NAME, register.fn(PROFILE, candidate))
    tags = version.tags
    assert tags["permix.problems"] == candidate.problems.digest
    assert tags["permix.personas"] == candidate.personas.digest
    assert tags["permix.training_run"] == candidate.policy.mlflow_run_id
    assert tags["scorecard.neutral"] == "0.7500"
    assert version.run_id == stage_run
    assert scorecard_of(NAME, str(version.version)).stability.neutral.value == 0.75


def test_what_is_registered_answers_a_persona_in_a_fresh_process_without_pickles(
    make_candidate: MakeCandidate, stage_run: str
) -> None:
    make_champion.fn(NAME, register.fn(PROFILE, make_candidate()))
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


def test_the_same_candidate_is_registered_once(make_candidate: MakeCandidate, stage_run: str) -> None:
    first = register.fn(PROFILE, make_candidate(name="first"))
    again = register.fn(PROFILE, make_candidate(name="trained-again-with-the-same-result"))
    assert again == first
    measured_anew = register.fn(PROFILE, make_candidate(accuracy=0.5, name="other"))
    assert measured_anew != first


@pytest.mark.parametrize(
    "missing", ["policy/model.safetensors", "policy/tokenizer.json", "policy/chat_template.jinja", "scorecard.json"]
)
def test_an_incomplete_candidate_is_refused_by_name(
    missing: str, make_candidate: MakeCandidate, stage_run: str
) -> None:
    candidate = make_candidate()
    stage = candidate.policy if missing.startswith("policy/") else candidate.scorecard
    stage.reference.file(missing).unlink()
    with pytest.raises(IncompleteCandidate, match=Path(missing).suffix):
        register.fn(PROFILE, candidate)
    assert registered_model(NAME) is None


def test_aliases_follow_promotions(make_candidate: MakeCandidate, stage_run: str) -> None:
    first, second = (register.fn(PROFILE, make_candidate(accuracy, str(accuracy))) for accuracy in (0.6, 0.7))
    make_challenger.fn(NAME, first)
    assert (alias(NAME, CHALLENGER), alias(NAME, CHAMPION)) == (first, None)
    make_champion.fn(NAME, first)
    assert (alias(NAME, CHALLENGER), alias(NAME, CHAMPION), alias(NAME, PREVIOUS)) == (None, first, None)
    make_challenger.fn(NAME, second)
    for _ in range(2):
        make_champion.fn(NAME, second)
        assert (alias(NAME, CHALLENGER), alias(NAME, CHAMPION), alias(NAME, PREVIOUS)) == (None, second, first)


@pytest.mark.parametrize(
    ("call", "argument"),
    [
        ("create_model_version", NAME),
        ("set_registered_model_alias", CHAMPION),
        pytest.param("set_registered_model_alias", CHALLENGER, marks=pytest.mark.slow),
        pytest.param("set_registered_model_alias", PREVIOUS, marks=pytest.mark.slow),
        pytest.param("delete_registered_model_alias", CHALLENGER, marks=pytest.mark.slow),
    ],
)
def test_a_promotion_killed_anywhere_and_run_again_leaves_one_version_and_right_aliases(
    call: str, argument: str, make_candidate: MakeCandidate, stage_run: str
) -> None:
    champion = register.fn(PROFILE, make_candidate(0.6, "champion"))
    make_champion.fn(NAME, champion)
    candidate = make_candidate(0.7, "candidate")
    script = f"""
import json, os, signal, sys
import mlflow
from prefect.logging import disable_run_logger
from permix.config import Profile
from tasks.registry import Candidate, make_challenger, make_champion, register
from tasks.stage import StageResult

unharmed = mlflow.MlflowClient.{call}
def killed(self, *args, **kwargs):
    if "{argument}" in args:
        os.kill(os.getpid(), signal.SIGKILL)
    return unharmed(self, *args, **kwargs)
mlflow.MlflowClient.{call} = killed
candidate = Candidate(**{{k: StageResult(**v) for k, v in json.loads(sys.argv[1]).items()}})
mlflow.set_experiment("test")
with disable_run_logger(), mlflow.start_run():
    version = register.fn(Profile(), candidate)
    make_challenger.fn("{NAME}", version)
    make_champion.fn("{NAME}", version)
"""
    stages = json.dumps({name: stage.model_dump() for name, stage in vars(candidate).items()})
    killed = subprocess.run([sys.executable, "-c", script, stages], capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert alias(NAME, CHAMPION) == ("2" if call == "delete_registered_model_alias" else champion)

    again = register.fn(PROFILE, candidate)
    make_champion.fn(NAME, again)
    assert again == "2"
    assert len(mlflow.MlflowClient().search_model_versions(f"name = '{NAME}'")) == 2
    assert {which: alias(NAME, which) for which in (CHAMPION, PREVIOUS, CHALLENGER)} == {
        CHAMPION: "2",
        PREVIOUS: champion,
        CHALLENGER: None,
    }
