"""Monitor, event, automation, retrain: from a champion that is not what its scorecard says to its successor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow
import pytest
from candidates import candidate, tiny_policy
from prefect.logging import disable_run_logger
from profiles import tiny
from stack import Running, wait_for

from permix.config import Profile
from tasks.champion import make_champion
from tasks.registry import register
from tasks.tracking import use_experiment

pytestmark = pytest.mark.slow
MODEL = "permix-watched"


@pytest.fixture
def overrated(running: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A champion that was registered as perfect and has hardly learned anything; returns its profile."""
    monkeypatch.setenv("PERMIX_WORKSPACE", str(running.workspace))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", running.mlflow)
    monkeypatch.delenv("MLFLOW_EXPERIMENT_ID", raising=False)
    plain = tiny("watched")
    # Enough problems for intervals that part.
    plain["evaluation"] |= {"problems": 30, "samples": 2}
    profile = Profile.model_validate(plain)
    use_experiment("watched")
    with disable_run_logger(), mlflow.start_run() as run:
        version = register.fn(profile, candidate(tiny_policy(tmp_path / "weights"), {}, "overrated"))
        make_champion.fn(MODEL, version, None, "ada", "because", run.info.run_id)
    return plain


def test_a_worse_champion_is_told_of_and_succeeded(running: Running, overrated: dict[str, Any], tmp_path: Path) -> None:
    personas = tmp_path / "prompts.txt"
    personas.write_text("You are a tired nurse.\nYou are a curious child.\n", encoding="utf-8")
    visit = running.wait(running.start("monitor/scheduled", profile=overrated, personas_file=str(personas)))
    assert visit["state"]["type"] == "COMPLETED", running.log()

    def events() -> list[dict[str, Any]]:
        found = running.api("events/filter", filter={"event": {"prefix": ["permix."]}})
        return list(found["events"])

    told = wait_for(lambda: events() if len(events()) == 2 else None, 60)
    assert {event["event"] for event in told} == {"permix.champion.worse", "permix.data.new"}
    [worse] = [event for event in told if event["event"] == "permix.champion.worse"]
    said = " ".join(worse["payload"]["reasons"])
    # It solves nothing under any persona, of which PSS says nothing; the others do.
    for fallen in ("neutral on fresh problems", "fidelity on fresh problems", "worst on your personas"):
        assert f"{fallen} is 0.0" in said
    assert "it was registered with 1.000" in said

    [deployment] = [d for d in running.api("deployments/filter") if d["name"] == "when-worse"]
    query = {"deployments": {"id": {"any_": [deployment["id"]]}}}

    def triggered() -> list[dict[str, Any]]:
        runs: list[dict[str, Any]] = running.api("flow_runs/filter", **query)
        return runs if runs and all(run["state"]["type"] in {"COMPLETED", "CANCELLED"} for run in runs) else []

    runs = wait_for(triggered, 240)
    # One for each event; the second is cancelled where the first is still at work, and else changes nothing more.
    done = [run for run in runs if run["state"]["type"] == "COMPLETED"]
    assert 1 <= len(done) <= 2
    assert all(run["parameters"]["profile"] == overrated for run in done)
    # The outcome: a policy that was really trained, and an honest scorecard.
    assert running.registry.get_registered_model(MODEL).aliases == {"champion": "2", "previous": "1"}
    assert float(running.registry.get_model_version(MODEL, "2").tags["scorecard.pss"]) < 1
