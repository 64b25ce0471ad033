"""From an empty store to the inside of a net, as a person would: all of it in the browser."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.workbench.ui.browser import ARGUMENTS, CHROMIUM, Window, server

pytestmark = [
    pytest.mark.browser,
    pytest.mark.cluster,
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        not CHROMIUM, reason="Chromium is not installed (Debian: apt install chromium)"
    ),
]
_TRAINING_MS = 300_000


def test_from_an_empty_store_to_the_filters_of_a_net(tmp_path: Path) -> None:
    from playwright.sync_api import sync_playwright

    with (
        server(f"sqlite:///{tmp_path}/mlflow.db", tmp_path / "home") as address,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        window = Window(browser.new_context(viewport={"width": 1400, "height": 900}), address)
        page = window.open().page
        assert "No runs yet" in window.text()

        page.get_by_role("link", name="Or fill in a form").click()
        page.wait_for_url("**/launch*")
        window.settled()
        epochs = page.get_by_role("spinbutton", name="epochs")
        epochs.fill("3")
        epochs.press("Enter")
        window.settled()
        assert "workbench train digits_cnn --set training.epochs=3" in window.text()
        page.get_by_role("button", name="Start").click()
        page.get_by_text("Queue").wait_for()
        page.get_by_text(re.compile("epoch 1/3")).first.wait_for(timeout=_TRAINING_MS)
        page.get_by_role("button", name="Run again").wait_for(timeout=_TRAINING_MS)
        assert "finished" in window.text(), window.text()

        page.get_by_role("link", name="See its runs").click()
        page.wait_for_url(re.compile(r":\d+/(\?.*)?$"))
        window.settled()
        window.click_at('[class*="st-key-runs_table"] canvas', 17, 36 + 18)
        window.settled()
        page.get_by_role("button", name="Look inside").click()
        page.wait_for_url("**/cnn*")
        window.settled()
        assert "blocks.0.conv" in window.text()
        page.get_by_text("Filters", exact=True).click()
        window.settled()
        shown = window.picture()
        handle = page.get_by_role("slider").first
        handle.focus()
        for _ in range(3):
            handle.press("ArrowLeft")
            # A picture that is replaced before it is loaded is gone, and its load fails.
            shown = window.other_picture(shown)

        window.open("run", part="Evaluation")
        assert "Confusion matrix" in window.text()
        window.check()
        browser.close()
