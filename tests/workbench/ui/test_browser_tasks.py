"""What does not tell pictures apart, and what failed, in a real browser."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.workbench.ui.browser import CHROMIUM, Window, open_window, server

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not CHROMIUM, reason="Chromium is not installed (Debian: apt install chromium)"
    ),
]
Filled = tuple[Path, dict[str, str]]


@pytest.fixture(scope="module")
def window(
    browser: object, tasks: Filled, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Window]:
    home = tmp_path_factory.mktemp("home")
    with server(f"sqlite:///{tasks[0]}/mlflow.db", home) as address:
        yield from open_window(browser, address)


def test_a_run_that_diverged_shows_its_loss_blow_up(window: Window, tasks: Filled) -> None:
    run = tasks[1]["diverged"]
    window.open("run", run=run)
    said = window.text()
    assert "Training loss by step" in said and "failed before its first epoch" in said
    chart = window.page.locator('[class*="st-key-curve_step"] svg[baseProfile]').first
    assert chart.locator("path").count() > 3
    window.open("health", run=run)
    assert "The training failed." in window.text() and "learning_rate 3" in window.text()
    window.check()


def test_a_forecast_is_read_as_one(window: Window, tasks: Filled) -> None:
    run = tasks[1]["forecast"]
    window.open("run", run=run)
    assert window.page.locator(".st-key-curve_loss svg[baseProfile] path").count() > 3
    window.open("run", run=run, part="Evaluation")
    said = window.text()
    assert "confusion" not in said and "Over the first 40 windows" in said
    assert window.page.locator("svg[baseProfile]").count() >= 2, "windows, and the error by step"
    window.open("rnn", run=run)
    boxes = window.page.get_by_role("combobox").all()
    assert "1 step ahead" in [box.input_value() for box in boxes]
    window.check()


def test_a_reconstruction_is_beside_its_input(window: Window, tasks: Filled) -> None:
    window.open("run", run=tasks[1]["autoencoder"], part="Evaluation")
    said = window.text()
    assert said.index("input") < said.index("reconstruction") < said.index("difference")
    window.check()


def test_a_page_opens_with_a_run_it_can_show(window: Window) -> None:
    for page, heading in (("cnn", "no convolutions"), ("rnn", "no recurrent layer")):
        assert heading not in window.open(page).text()
        window.check()


def test_a_comparison_with_a_failed_run_and_a_drawing_of_ones_own(
    window: Window, tasks: Filled, tmp_path: Path
) -> None:
    ids = ",".join(tasks[1][name] for name in ("cnn", "cnn_slow", "diverged"))
    window.open("compare", runs=ids, compare_part="Disagreements")
    assert "Left out, diverged" in window.text() and "They disagree on" in window.text()

    window.open("compare", runs=ids, compare_part="Same picture")
    page = window.page
    assert page.get_by_alt_text("sample 0").count() == 1, "the picture itself"
    assert "Filters" in window.text() and "Feature maps" in window.text()
    page.get_by_text("my own", exact=True).click()
    window.settled()
    drawn = np.zeros((32, 32, 4), np.uint8)
    drawn[4:28, 12:20, 3] = 255  # black on nothing
    Image.fromarray(drawn).save(tmp_path / "one.png")
    page.locator('input[type="file"]').set_input_files(tmp_path / "one.png")
    shown = page.get_by_alt_text("your picture")
    shown.wait_for()
    shades = shown.evaluate(
        """image => { const c = document.createElement("canvas");
        c.width = image.naturalWidth; c.height = image.naturalHeight;
        const d = c.getContext("2d"); d.drawImage(image, 0, 0);
        return [...d.getImageData(0, 0, c.width, c.height).data].filter((_, i) => i % 4 == 0); }"""
    )
    assert min(shades) < 100 and np.mean(shades) > 150, "a dark stroke on light ground"
    box = shown.bounding_box()
    assert box is not None
    across = {"x": box["x"] - 4, "y": box["y"] + 20, "width": 8, "height": 1}
    row = np.asarray(Image.open(io.BytesIO(page.screenshot(clip=across))).convert("L"))[0]
    assert row[0] == row[-1] == 255, "a white picture on the white page"
    assert row.min() < 225, "has an edge"
    window.settled()
    window.check()
