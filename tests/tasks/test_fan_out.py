from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import pytest
from prefect.utilities.callables import get_call_parameters
from pydantic import ValidationError

from permix.config import FanOutSettings, Profile
from tasks.curation import curate_problems
from tasks.evaluation import evaluation_key
from tasks.fan_out import HERE, fanned_out
from tasks.stage import StageResult


def test_without_a_cluster_the_work_is_done_here() -> None:
    with fanned_out(Profile().fan_out, "stage") as fan_out:
        assert fan_out is HERE
        assert list(fan_out.each(str, [1, 2])) == ["1", "2"]


def test_a_profile_that_asks_for_ray_is_told_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    # As where it is not installed, wherever this test runs.
    monkeypatch.setattr("tasks.fan_out.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"fan_out needs Ray.*pip install"), fanned_out(FanOutSettings(), "stage"):
        pass


def test_where_the_work_is_done_is_no_part_of_a_stages_key() -> None:
    here, spread = Profile(), Profile(fan_out=FanOutSettings(shards=7))
    result = StageResult(stage="s", path="/", digest="digest", mlflow_run_id="")
    assert evaluation_key(here, result, result, result) == evaluation_key(spread, result, result, result)
    keys = set()
    for profile in (here, spread):
        arguments = get_call_parameters(curate_problems.fn, (profile.problems, "organism", profile.fan_out), {})
        assert curate_problems.cache_key_fn is not None
        keys.add(curate_problems.cache_key_fn(None, arguments))  # type: ignore[arg-type]
    assert len(keys) == 1


@pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed: pip install -e '.[ray]'")
def test_ray_that_was_imported_too_early_to_keep_to_loopback_is_refused() -> None:
    script = """
import ray._private.ray_constants
from permix.config import FanOutSettings
from tasks.fan_out import fanned_out
with fanned_out(FanOutSettings(), "stage"):
    pass
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert ended.returncode
    assert "would now listen on all addresses: set RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER=0" in ended.stderr


@pytest.mark.parametrize("address", ["auto", "", "127.0.0.1", "http://127.0.0.1:8265", "ray://head", "head:10001/x"])
def test_an_address_that_is_none_fails_before_any_work(address: str) -> None:
    with pytest.raises(ValidationError, match="address"):
        FanOutSettings(address=address)


@pytest.mark.parametrize("address", ["local", "10.0.0.7:6379", "ray://ray-head:10001"])
def test_addresses(address: str) -> None:
    assert FanOutSettings(address=address).address == address
