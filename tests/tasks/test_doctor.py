"""The doctor on a Prefect server that it finds fault with, and on pins and stores that are broken."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import pytest

from permix.workspace import workspace
from tasks.doctor import Finding, disk, mlflow_side, pins, prefect_side


def by_what(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.what: finding for finding in findings}


def test_the_pins_of_this_installation_hold() -> None:
    assert [finding.level for finding in pins()] == ["ok"]


def test_a_wrong_pin_is_named_with_its_fix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "wanting-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: wanting\nVersion: 1\nRequires-Dist: sqlalchemy[asyncio]<1\n"
        "Requires-Dist: nowhere-to-be-had\nRequires-Dist: pytest>=1\nRequires-Dist: absent; extra == 'dev'\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    found = by_what(list(pins("wanting")))
    assert set(found) == {"pin sqlalchemy", "pin nowhere-to-be-had"}
    assert found["pin sqlalchemy"].said.startswith(importlib.metadata.version("sqlalchemy"))
    assert "pip install --constraint constraints.txt 'sqlalchemy<1'" in found["pin sqlalchemy"].fix


@pytest.mark.usefixtures("prefect_server", "workspace")
def test_a_server_without_pool_worker_and_deployments(monkeypatch: pytest.MonkeyPatch) -> None:
    from prefect.settings import PREFECT_API_URL

    monkeypatch.setenv("PREFECT_API_URL", str(PREFECT_API_URL.value()))
    found = by_what(list(prefect_side()))
    assert found["Prefect server"].level == "ok"
    assert found["work pool"].fix == "prefect work-pool create permix --type process"
    assert found["deployments"].level == "FAIL"


def test_a_server_that_does_not_answer_ends_its_part_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    [prefect] = prefect_side()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    [mlflow] = mlflow_side()
    assert "does not answer" in prefect.said
    assert "does not answer" in mlflow.said
    assert (prefect.level, mlflow.level) == ("FAIL", "FAIL")


@pytest.mark.usefixtures("workspace")
def test_a_store_is_tried_by_writing() -> None:
    assert [finding.level for finding in mlflow_side()] == ["ok"]
    artifacts = workspace() / "mlflow" / "artifacts"
    for path in sorted(artifacts.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    artifacts.rmdir()
    artifacts.write_text("a file is in the way")
    [store] = mlflow_side()
    assert store.level == "FAIL"
    assert "cannot be written" in store.said


@pytest.mark.usefixtures("workspace")
def test_free_space_is_told() -> None:
    assert "GiB free" in disk().said
