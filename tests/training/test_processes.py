"""Two processes (gloo, on the CPU) do what one does: personas, resampled groups, weights, curves and tables."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from permix.training.spec import TrainingSpec
from permix.training.tables import read_persona_rows

SCRIPT = Path(__file__).with_name("processes.py")


def run(told: TrainingSpec, processes: int) -> list[dict[str, Any]]:
    """What each process knows at the end."""
    told.files.root.mkdir(parents=True)
    told.files.spec.write_text(told.model_dump_json())
    torchrun = ["-m", "torch.distributed.run", "--nproc-per-node", str(processes), "--standalone"]
    subprocess.run(
        [sys.executable, "-W", "ignore", *torchrun, str(SCRIPT), str(told.files.spec)],
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
        check=True,
        capture_output=True,
        timeout=170,
    )
    return [json.loads(file.read_text()) for file in sorted(told.files.root.glob("process-*.json"))]


@pytest.mark.slow
def test_two_processes_mix_resample_and_weigh_as_one(spec: Callable[..., TrainingSpec]) -> None:
    # Each process has 15 rows, so that they share the third group of six; what is resampled is seldom even.
    told = {"problems_per_step": 5, "group_size": 6, "steps": 3, "log_completions_every": 2}
    told |= {"mixing": "per_rollout", "persona_weights": "adaptive", "resample_rounds": 2}
    (one,) = run(spec("one", **told), 1)
    two = run(spec("two", **told), 2)
    assert len(two) == 2
    assert two[0]["tallies"] == two[1]["tallies"]
    assert two[0]["weights"] == two[1]["weights"]
    assert two[0]["tallies"] == one["tallies"]

    first, second = spec("one", **told).files, spec("two", **told).files
    for step in (1, 2, 3):
        name = f"completions/completions_{step:05}.parquet"
        assert pq.read_table(first.checkpoints / name).equals(pq.read_table(second.checkpoints / name))
    assert sorted(path.name for path in (second.tables / "completions").iterdir()) == [
        f"step-0000{step}.{kind}" for step in (2, 3) for kind in ("csv", "html")
    ]
    for name in ("personas.csv", "completions/step-00003.csv"):
        assert (first.tables / name).read_bytes() == (second.tables / name).read_bytes()
    assert sum(row["graded"] for row in read_persona_rows(second.tables / "personas.csv") if row["step"] == 3) >= 90

    curves = ("reward", "resampling/groups", "persona_share/", "ungradable", "frac_reward")
    for mine, theirs in zip(one["log"], two[0]["log"], strict=True):
        names = [name for name in mine if name.startswith(curves)]
        assert {name: theirs[name] for name in names} == pytest.approx({name: mine[name] for name in names})
    assert any(entry.get("resampling/groups_replaced") for entry in one["log"])
