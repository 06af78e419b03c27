"""A promotion that waits for a person: a run is suspended and taken up again, on real servers with a real worker."""

from __future__ import annotations

import pytest
from profiles import tiny
from stack import Running, wait_for

pytestmark = pytest.mark.slow
MODEL = "permix-approved"


def stages(running: Running) -> list[str]:
    experiment = running.registry.get_experiment_by_name("approved")
    assert experiment is not None
    found = running.registry.search_runs([experiment.experiment_id])
    return [run.data.tags.get("permix.stage", "flow") for run in found]


def test_yes_goes_on_in_the_same_mlflow_run_and_trains_nothing_again_and_no_is_remembered(running: Running) -> None:
    profile = tiny("approved", approval="required")
    run_id = running.start("retrain/on-demand", profile=profile)
    waiting = running.wait(run_id, {"PAUSED", "FAILED", "CRASHED"})
    assert waiting["state"]["name"] == "Suspended", waiting["state"]
    assert running.registry.get_registered_model(MODEL).aliases == {"challenger": "1"}
    assert running.registry.get_model_version(MODEL, "1").tags["permix.approval"].startswith("asked for in flow run")

    def form() -> str | None:
        inputs = running.api(f"flow_runs/{run_id}/input/filter", prefix="suspended-", limit=10)
        said = " ".join(str(each["value"]) for each in inputs)
        # Prefect saves the form and its text after the state.
        return said if "Approval" in said and len(inputs) == 2 else None

    evidence = wait_for(form, 30)
    for shown in ("PSS", "floor", "decision", "reason"):
        assert shown in evidence
    before = stages(running)
    assert before.count("flow") == before.count("train") == 1

    refused = running.permix("approve", run_id, "--reason", "")
    assert refused.returncode == 1
    assert "reason" in refused.stderr
    said = running.permix("approve", waiting["name"], "--reason", "figures are fine")
    assert said.returncode == 0, said.stderr
    assert running.wait(run_id)["state"]["type"] == "COMPLETED", running.log()
    assert running.registry.get_registered_model(MODEL).aliases == {"champion": "1"}
    assert sorted(stages(running)) == sorted(before), "no second MLflow run, and nothing trained again"
    [flow] = [
        r for r in running.registry.search_runs([before_experiment(running)]) if "permix.stage" not in r.data.tags
    ]
    assert flow.info.status == "FINISHED"
    assert not any(tag.startswith("permix.reused.") for tag in flow.data.tags), "its own stages are not reused ones"
    ledger = running.permix("ledger", "--model", MODEL)
    assert "figures are fine" in ledger.stdout
    again = running.permix("approve", run_id, "--reason", "twice is better")
    assert again.returncode == 1
    assert "does not wait for an answer" in again.stderr

    # Another seed is another candidate; this one is refused, and not asked about again.
    other = tiny("approved", seed=1, approval="required")
    second = running.start("retrain/on-demand", profile=other)
    assert running.wait(second, {"PAUSED", "FAILED", "CRASHED"})["state"]["name"] == "Suspended"
    assert running.permix("reject", second, "--reason", "too rude").returncode == 0
    assert running.wait(second)["state"]["type"] == "COMPLETED"
    assert running.registry.get_registered_model(MODEL).aliases == {"champion": "1", "challenger": "2"}
    third = running.start("retrain/on-demand", profile=other)
    assert running.wait(third)["state"]["type"] == "COMPLETED", "nobody was asked"
    assert "too rude" in running.registry.get_model_version(MODEL, "2").tags["permix.gate.summary"]
    assert "too rude" in running.permix("ledger", "--model", MODEL).stdout


def before_experiment(running: Running) -> str:
    experiment = running.registry.get_experiment_by_name("approved")
    assert experiment is not None
    return str(experiment.experiment_id)


def test_no_answer_in_time_is_no(running: Running) -> None:
    profile = tiny("unanswered", approval="required", approval_hours=5 / 3600)
    run_id = running.start("retrain/on-demand", profile=profile)
    ended = running.wait(run_id, {"COMPLETED", "FAILED", "CRASHED"})
    assert ended["state"]["type"] == "FAILED"
    assert running.registry.get_registered_model("permix-unanswered").aliases == {"challenger": "1"}
    late = running.permix("approve", run_id, "--reason", "better late than never")
    assert late.returncode == 1
    assert running.registry.get_registered_model("permix-unanswered").aliases == {"challenger": "1"}


def test_a_run_in_a_terminal_cannot_wait_and_says_so_before_any_work(running: Running) -> None:
    said = running.permix("promote", "--set", "promotion.approval=required", "--set", "name=terminal")
    assert said.returncode == 1
    assert "only a deployed run can wait for a person" in said.stderr
    assert running.registry.get_experiment_by_name("terminal") is None
