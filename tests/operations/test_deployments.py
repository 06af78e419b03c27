"""What `prefect deploy --all` makes of prefect.yaml, on a real server."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from stack import Running, wait_for

pytestmark = pytest.mark.slow


def deployments(running: Running) -> dict[str, dict[str, Any]]:
    return {f"{d['entrypoint'].split(':')[1]}/{d['name']}": d for d in running.api("deployments/filter")}


def test_every_flow_is_deployed_with_description_tags_and_a_limit(running: Running) -> None:
    found = deployments(running)
    assert sorted(found) == [
        "curate/on-demand",
        "evaluate/on-demand",
        "monitor/scheduled",
        "promote/on-demand",
        "retrain/nightly",
        "retrain/on-demand",
        "retrain/when-worse",
        "rollback/on-demand",
        "train/on-demand",
    ]
    for name, each in found.items():
        assert each["description"], name
        assert "permix" in each["tags"], name
        assert each["global_concurrency_limit"]["limit"] == 1, name
        for schedule in each["schedules"]:
            assert schedule["schedule"]["timezone"] == "UTC"


def test_schedules_make_runs(running: Running) -> None:
    found = {each["id"]: name for name, each in deployments(running).items()}

    def scheduled() -> set[str]:
        query = {"flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}}}
        runs: list[dict[str, Any]] = running.api("flow_runs/filter", **query)
        return {found[run["deployment_id"]] for run in runs if run["auto_scheduled"]}

    # With SQLAlchemy 2.1 the scheduler makes none, and says so in the server's log only.
    assert wait_for(lambda: scheduled() == {"retrain/nightly", "monitor/scheduled"}, 90)


def test_forms_have_defaults_descriptions_and_bounds(running: Running) -> None:
    found = deployments(running)
    retrain = found["retrain/on-demand"]["parameter_openapi_schema"]
    assert retrain["properties"]["profile"]["default"]["training"]["steps"] == 200
    steps = retrain["definitions"]["TrainingSettings"]["properties"]["steps"]
    assert (steps["description"], steps["minimum"]) == ("Optimizer steps.", 1)
    assert set(retrain["definitions"]["PromotionSettings"]["properties"]["gate"]["enum"]) == {
        "enforce", "dry_run", "off"
    }  # fmt: skip
    rollback = found["rollback/on-demand"]["parameter_openapi_schema"]
    assert rollback["required"] == ["reason"]
    assert rollback["properties"]["reason"]["minLength"] == 3
    assert found["rollback/on-demand"]["enforce_parameter_schema"]


def test_a_rollback_without_a_reason_is_refused_by_the_form(running: Running) -> None:
    with pytest.raises(httpx.HTTPStatusError, match=r"409|422"):
        running.start("rollback/on-demand", reason="")
