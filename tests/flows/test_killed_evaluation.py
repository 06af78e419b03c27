"""An evaluation with judges is killed (SIGKILL) in the middle of its judging, and started again."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from loopback import said, serving
from starlette.responses import Response

from permix.config import EvaluationSettings, JudgingSettings, Profile, ServerJudge
from permix.workspace import engine_environment

pytestmark = pytest.mark.slow


class Slow:
    """A server with a model and a judge, which takes its time and counts what it is asked."""

    def __init__(self) -> None:
        self.replies, self.judgements = 0, 0

    async def answer(self, body: dict[str, Any]) -> Response:
        if body["model"] == "player":
            self.replies += 1
            return said("I would not know.")
        self.judgements += 1
        await asyncio.sleep(0.5)
        return said("Therefore, the final score is 3.")


def test_a_killed_judging_goes_on_and_a_repeated_one_asks_nothing(tmp_path: Path) -> None:
    served = Slow()
    with serving(served.answer, models=[{"id": "player", "object": "model"}]) as url:
        one = ServerJudge(kind="server", name="judge", url=url, model="judge", concurrency=2)
        judging = JudgingSettings(judges=(one,), personas=4)
        settings = EvaluationSettings(problems=2, samples=1, roleplay_questions=1, resamples=20, judging=judging)
        file = tmp_path / "profile.json"
        file.write_text(Profile(evaluation=settings).model_dump_json(), encoding="utf-8")
        command = [sys.executable, "-m", "flows.evaluate", str(file), f"model={url}", "served_model=player"]
        root = tmp_path / "workspace"
        (root / "mlflow").mkdir(parents=True)
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(("PREFECT_", "MLFLOW_"))}
        environment = engine_environment(root, {**inherited, "PERMIX_WORKSPACE": str(root)})

        with (tmp_path / "log").open("w") as out:
            killed = subprocess.Popen(command, env=environment, stdout=out, stderr=out, start_new_session=True)
            deadline = time.monotonic() + 300
            while served.judgements < 20:
                assert killed.poll() is None, (tmp_path / "log").read_text()
                assert time.monotonic() < deadline, (tmp_path / "log").read_text()
                time.sleep(0.1)
            # The flow and the Prefect server that it had started.
            os.killpg(killed.pid, signal.SIGKILL)
            assert killed.wait() == -signal.SIGKILL
        replies, begun = served.replies, served.judgements
        assert begun < 40, "it was killed in the middle"

        log = tmp_path / "log"
        assert finished(command, environment, log) == 0, log.read_text()
        # The replies in character were there; of the judgements, those of the last portion are asked for again.
        assert served.replies == replies + (2 * 21 + 2 + 20)
        assert 40 <= served.judgements <= 40 + 4 * 2
        asked = (served.replies, served.judgements)
        assert finished(command, environment, log) == 0, log.read_text()
        assert (served.replies, served.judgements) == asked


def finished(command: list[str], environment: dict[str, str], log: Path) -> int:
    """The exit status of a flow that runs to its end."""
    with log.open("a") as out:
        return subprocess.run(command, env=environment, stdout=out, stderr=out, check=False, timeout=600).returncode
