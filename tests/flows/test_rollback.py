"""Rollback on a real registry: only to what loads and answers, in one run, with a reason; and it stays rolled back."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import mlflow
import pytest
from candidates import evaluated, tiny_policy

from flows.promote import promote, summary
from flows.rollback import rollback
from permix.config import Profile, PromotionSettings
from tasks.ledger import CHAMPION, PREVIOUS, alias, read_ledger
from tasks.registry import VersionError

pytestmark = pytest.mark.usefixtures("prefect_server", "workspace")

PROFILE = Profile(promotion=PromotionSettings(gate="off"))
NAME = PROFILE.promotion.registered_model
WRONG = {"1": 0.1, "2": 0.4, "3": 0.8}
"""How often each version errs: so they differ."""
PERMIX = Path(sys.executable).parent / "permix"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_policy(tmp_path_factory.mktemp("weights"))


@pytest.fixture
def three(weights: Path, workspace: Path) -> None:
    """Versions 1, 2 and 3, each champion after the other."""
    for version, wrong in WRONG.items():
        promote(PROFILE, evaluated(weights, {"neutral": wrong}, version))
    assert alias(NAME, CHAMPION) == "3"


def damage(version: str) -> None:
    stored = Path(mlflow.MlflowClient().get_model_version_download_uri(NAME, version).removeprefix("file://"))
    (stored / "artifacts" / "policy" / "tokenizer.json").unlink()


@pytest.mark.usefixtures("three")
def test_back_and_what_was_left_is_not_promoted_again_by_its_figures(weights: Path) -> None:
    done = rollback("it curses at customers")
    assert (done.version, done.before) == ("2", "3")
    assert done.reply
    assert (alias(NAME, CHAMPION), alias(NAME, PREVIOUS)) == ("2", "1")
    entry = read_ledger(NAME).entries[-1]
    assert (entry.kind, entry.before, entry.to, entry.why) == ("rollback", "3", "2", "it curses at customers")
    assert mlflow.artifacts.load_dict(f"runs:/{entry.evidence}/proof.json")["version"] == "2"

    # Tomorrow's nightly run makes the same candidate again.
    again = promote(PROFILE, evaluated(weights, {"neutral": WRONG["3"]}, "3 again"))
    assert (again.version, again.champion) == ("3", "2")
    assert "rolled back from it" in summary(again)
    assert "it curses at customers" in summary(again)

    assert rollback("a new wording of the prompt helps", "3").version == "3"
    assert promote(PROFILE, evaluated(weights, {"neutral": WRONG["3"]}, "3 once more")).champion == "3"


@pytest.mark.usefixtures("three")
def test_a_version_that_cannot_be_served_is_not_gone_back_to() -> None:
    damage("2")
    with pytest.raises(VersionError, match="version 2"):
        rollback("it curses at customers")
    assert (alias(NAME, CHAMPION), len(read_ledger(NAME).entries)) == ("3", 3)
    assert rollback("it curses at customers", "1").version == "1"
    assert (alias(NAME, CHAMPION), alias(NAME, PREVIOUS)) == ("1", None)
    with pytest.raises(VersionError, match="no champion before 1"):
        rollback("further still")


@pytest.mark.slow
@pytest.mark.usefixtures("three")
def test_the_commands_tell_what_happened() -> None:
    def permix(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [PERMIX, *arguments], capture_output=True, text=True, check=False, env={**os.environ, "COLUMNS": "250"}
        )

    rollback("it curses at customers", by="ada")
    told = permix("ledger")
    assert told.returncode == 0, told.stderr
    assert "rollback" in told.stdout
    assert "ada" in told.stdout
    assert "it curses at customers" in told.stdout
    lineage = permix("lineage", "3")
    for word in (
        "scorecard",
        "checkpoint",
        "arm",
        "problems",
        "personas",
        "source kind=organism",
        "commit",
        "rollback",
    ):
        assert word in lineage.stdout, lineage.stdout + lineage.stderr
    client = mlflow.MlflowClient()
    client.set_model_version_tag(f"{NAME}-ledger", "2", "why", "forged")
    forged = permix("ledger")
    assert forged.returncode == 1
    assert "entry 2 has been changed since it was written" in forged.stderr
