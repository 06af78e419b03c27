"""Three nights pass while nothing is up, each night being ten seconds long; then everything comes up again.

docs/reliability.md tells what was seen.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from killable import killable
from profiles import tiny
from stack import Running, wait_for

pytestmark = pytest.mark.faults
NIGHTS, SECONDS = 3, 10


def nightly(running: Running) -> list[dict[str, Any]]:
    """The runs that the nightly schedule of this test has made, in their order."""
    deployment = running.get("deployments/name/retrain/nightly")
    query = {"deployments": {"id": {"any_": [deployment["id"]]}}, "sort": "EXPECTED_START_TIME_ASC"}
    runs = running.api("flow_runs/filter", **query)
    return [run for run in runs if run["parameters"].get("profile", {}).get("name") == "missed"]


def test_after_three_missed_nights_the_work_is_done_once(tmp_path: Path) -> None:
    with killable(tmp_path / "workspace") as stack:
        running = stack.running()
        stack.kill("worker")
        first = datetime.now(UTC) + timedelta(seconds=90)
        rule = f"DTSTART:{first:%Y%m%dT%H%M%S}\nRRULE:FREQ=SECONDLY;INTERVAL={SECONDS};COUNT={NIGHTS}"
        schedule = {"schedule": {"rrule": rule}, "slug": "test", "parameters": {"profile": tiny("missed")}}
        deployment = running.get("deployments/name/retrain/nightly")
        address = f"{running.prefect}/deployments/{deployment['id']}/schedules"
        httpx.post(address, json=[schedule], timeout=30).raise_for_status()
        made = wait_for(lambda: len(runs := nightly(running)) == NIGHTS and runs, 80)
        assert all(run["auto_scheduled"] for run in made)
        stack.kill("prefect")
        time.sleep((first - datetime.now(UTC)).total_seconds() + NIGHTS * SECONDS)

        # As `permix up` does it.
        stack.start("prefect")
        stack.deploy()
        stack.start("worker", limit=1)
        for run in made:
            running.wait(run["id"], seconds=600)
        ended = nightly(running)
        assert [run["id"] for run in ended] == [run["id"] for run in made]
        first_state, *later = [run["state"]["type"] for run in ended]
        assert first_state == "COMPLETED", running.log()
        # Prefect cancels those that it finds to be late while the first is at work, by the deployment's limit.
        assert set(later) <= {"COMPLETED", "CANCELLED"}, running.log()
        experiment = running.registry.get_experiment_by_name("missed")
        assert experiment is not None
        found = running.registry.search_runs([experiment.experiment_id])
        stages = [run.data.tags["permix.stage"] for run in found if "permix.stage" in run.data.tags]
        # One worker takes them one after the other: whoever comes after the first finds the work done.
        assert "train" in stages
        assert sorted(stages) == sorted(set(stages)), "something was done twice"
        assert running.registry.get_registered_model("permix-missed").aliases == {"champion": "1"}
        assert len(running.registry.search_model_versions("name = 'permix-missed'")) == 1
        assert len(running.registry.search_model_versions("name = 'permix-missed-ledger'")) == 1
