"""What infra/ holds against its schemas, and against what the code needs. No container engine is at hand."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
INFRA = ROOT / "infra"
BIN = Path(sys.executable).parent
MANIFESTS = sorted(path for path in (INFRA / "kubernetes").rglob("*.yaml") if path.name != "kustomization.yaml")
POOLS = sorted((INFRA / "pools").glob("*.json"))
LOOPBACK = "${PERMIX_BIND:-127.0.0.1}:"


def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((INFRA / "compose.yaml").read_text(encoding="utf-8"))
    return loaded


def objects() -> list[dict[str, Any]]:
    return [each for path in MANIFESTS for each in yaml.safe_load_all(path.read_text(encoding="utf-8"))]


def test_compose_is_what_its_schema_asks_for() -> None:
    done = subprocess.run(
        [BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", INFRA / "compose.yaml"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


def test_compose_listens_on_loopback_and_has_no_secret_in_it() -> None:
    services = compose()["services"]
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert len(ports) == 2
    assert all(port.startswith(LOOPBACK) for port in ports)
    text = (INFRA / "compose.yaml").read_text(encoding="utf-8")
    named = set(re.findall(r"\$\{([A-Z_]+)", text))
    example = set(re.findall(r"^#?([A-Z_]+)=", (INFRA / "env.example").read_text(encoding="utf-8"), re.MULTILINE))
    assert named == example
    for secret in ("POSTGRES_PASSWORD", "PREFECT_AUTH", "MLFLOW_PASSWORD", "MLFLOW_SECRET_KEY"):
        assert "${" + secret + ":?" in text, f"{secret} must be asked for"


def test_every_kubernetes_object_is_what_its_schema_asks_for() -> None:
    import kubernetes_validate

    for each in objects():
        kubernetes_validate.validate(each, "1.37", strict=True)


def test_kustomize_lists_every_manifest() -> None:
    listed = [
        file.parent / name
        for file in (INFRA / "kubernetes").rglob("kustomization.yaml")
        for name in yaml.safe_load(file.read_text(encoding="utf-8"))["resources"]
    ]
    assert sorted(listed) == MANIFESTS


def test_containers_run_without_rights_and_with_limits() -> None:
    for each in objects():
        if each["kind"] not in {"Deployment", "StatefulSet", "Job"}:
            continue
        pod = each["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"] is True, each["metadata"]["name"]
        for container in pod["containers"]:
            assert container["securityContext"]["allowPrivilegeEscalation"] is False
            assert container["resources"]["limits"]["memory"]


@pytest.mark.parametrize("file", POOLS, ids=lambda path: path.stem)
def test_a_pool_takes_its_template(file: Path, prefect_server: None) -> None:
    from prefect.settings import PREFECT_API_URL

    command = [BIN / "prefect", "--no-prompt", "work-pool", "create", f"try-{file.stem}", "--type", file.stem]
    environment = {**os.environ, "PREFECT_API_URL": str(PREFECT_API_URL.value())}
    done = subprocess.run(
        [*command, "--base-job-template", file], capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_job_of_the_kubernetes_pool_is_a_job() -> None:
    import kubernetes_validate

    template = json.loads((INFRA / "pools" / "kubernetes.json").read_text(encoding="utf-8"))
    properties = template["variables"]["properties"]
    values = {name: each.get("default") for name, each in properties.items()} | {
        "name": "a-run", "env": [{"name": "A", "value": "b"}], "labels": {"a": "b"}, "command": ["prefect", "version"]
    }  # fmt: skip

    def filled(part: Any) -> Any:
        if isinstance(part, dict):
            found = {key: filled(value) for key, value in part.items()}
            return {key: value for key, value in found.items() if value is not None}
        if isinstance(part, list):
            return [filled(value) for value in part]
        if isinstance(part, str) and (whole := re.fullmatch(r"\{\{ (\w+) \}\}", part)):
            return values[whole.group(1)]
        return re.sub(r"\{\{ (\w+) \}\}", lambda m: str(values[m.group(1)]), part) if isinstance(part, str) else part

    job = filled(template["job_configuration"]["job_manifest"])
    kubernetes_validate.validate(job, "1.37", strict=True)
    container = job["spec"]["template"]["spec"]["containers"][0]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == 0
    names = {each["metadata"]["name"] for each in objects()}
    assert {values["service_account_name"], values["claim"], values["namespace"]} <= names
