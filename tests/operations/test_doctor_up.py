"""The doctor where everything is up, and after its worker has died."""

from __future__ import annotations

import pytest
from stack import Running, wait_for

pytestmark = pytest.mark.slow


def test_all_is_well(running: Running) -> None:
    # The worker's first heartbeat and the scheduler's first round come within a minute.
    said = wait_for(lambda: (done := running.permix("doctor")).returncode == 0 and done, 120)
    for line in ("ok    pins", "ok    Prefect server", "ok    MLflow server", "ok    worker", "ok    artifact store"):
        assert line in said.stdout
    assert said.stdout.count("ok    schedule of") == 2
    assert "FAIL" not in said.stdout
