"""What a person sees and clicks, in headless Chromium: from the form of a deployment to the version with its alias.

It also takes the pictures of the docs: with PERMIX_PICTURES set to a directory, they go there.
"""

from __future__ import annotations

import io
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright
from profiles import tiny
from stack import Running, stack
from tenacity import Retrying, stop_after_delay, wait_fixed

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium"),
]
MODEL = "permix-browsed"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with stack(tmp_path_factory.mktemp("browser") / "workspace") as up:
        # What an operator would set once: this deployment's own defaults.
        deployment = up.get("deployments/name/retrain/on-demand")
        defaults = {"parameters": {"profile": tiny("browsed")}}
        # While everything is being deployed, SQLite may be busy: 503.
        for attempt in Retrying(stop=stop_after_delay(60), wait=wait_fixed(1)):
            with attempt:
                url = f"{up.prefect}/deployments/{deployment['id']}"
                httpx.patch(url, json=defaults, timeout=30).raise_for_status()
        yield up


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        # Chromium's own sandbox does not work for root, as which containers run tests.
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.set_default_timeout(60_000)
        expect.set_options(timeout=60_000)
        yield page
        browser.close()


def picture(page: Page, name: str) -> None:
    if directory := os.environ.get("PERMIX_PICTURES"):
        page.wait_for_timeout(1500)
        shot = Image.open(io.BytesIO(page.screenshot()))
        # 128 colours are enough for a user interface, and a quarter of the bytes.
        shot.convert("RGB").quantize(128).save(Path(directory) / f"ui-{name}.png", optimize=True)


def submitted(running: Running, page: Page) -> dict[str, Any]:
    """The one flow run that no schedule made, as soon as the server has it."""
    for _ in range(60):
        runs = running.api("flow_runs/filter", sort="EXPECTED_START_TIME_DESC")
        if by_hand := [run for run in runs if not run["auto_scheduled"]]:
            [run] = by_hand
            return run
        page.wait_for_timeout(500)
    raise AssertionError("the form was submitted, and the server has no flow run of it")


def test_from_the_form_to_the_version_with_its_alias(running: Running, page: Page) -> None:
    ui = running.prefect.removesuffix("/api")
    page.goto(f"{ui}/deployments")
    row = page.get_by_role("row").filter(has_text="retrain").filter(has_text="on-demand")
    expect(row).to_be_visible()
    picture(page, "deployments")
    row.get_by_role("link", name="on-demand").click()
    page.get_by_role("button", name="Run", exact=True).click()
    page.get_by_text("Custom run").click()

    # The form's labels are not bound to their inputs.
    seed = page.get_by_text(re.compile(r"^Seed")).first.locator("xpath=following::input[1]")
    expect(seed).to_have_value("0")
    seed.fill("3")
    picture(page, "form")
    page.get_by_role("button", name="Submit").click()

    run = submitted(running, page)
    assert run["parameters"]["profile"]["seed"] == 3
    done = running.wait(run["id"])
    assert done["state"]["type"] == "COMPLETED", running.log()
    page.goto(f"{ui}/runs/flow-run/{run['id']}")
    expect(page.get_by_text("Completed").first).to_be_visible()
    picture(page, "run")
    page.get_by_text("Artifacts", exact=True).first.click()
    expect(page.get_by_text("retrain", exact=False).first).to_be_visible()
    [artifact] = running.api("artifacts/filter", artifacts={"key": {"any_": ["promotion"]}})
    page.goto(f"{ui}/artifacts/artifact/{artifact['id']}")
    expect(page.get_by_role("heading", name=re.compile(f"{MODEL} version 1"))).to_be_visible()
    expect(page.get_by_text("the floor of").first).to_be_visible()
    picture(page, "decision")

    page.goto(f"{running.mlflow}/#/models/{MODEL}")
    expect(page.get_by_text("Version 1").first).to_be_visible()
    # MLflow's assistant stands open on a first visit, and covers a third of the page.
    page.get_by_role("button", name="Close").last.click()
    expect(page.get_by_text("champion").first).to_be_visible()
    picture(page, "model")
    page.goto(f"{running.mlflow}/#/models/{MODEL}-ledger")
    # From one model to another by the address alone, MLflow's page stays empty.
    page.reload()
    # The table cuts long descriptions short.
    expect(page.get_by_text("champion: none → v", exact=False).first).to_be_visible()
    picture(page, "ledger")
