"""The UI in a real browser, on real runs."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.workbench.ui.browser import ARGUMENTS, CHROMIUM, Window, server

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not CHROMIUM, reason="Chromium is not installed (Debian: apt install chromium)"
    ),
]
Filled = tuple[Path, dict[str, str]]


@pytest.fixture(scope="module")
def address(filled: Filled, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder, _ = filled
    with server(f"sqlite:///{folder}/mlflow.db", tmp_path_factory.mktemp("home")) as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield opened
        opened.close()


@pytest.fixture
def window(browser: object, address: str) -> Iterator[Window]:
    yield from _window(browser, address, "light")


@pytest.fixture
def dark(browser: object, address: str) -> Iterator[Window]:
    yield from _window(browser, address, "dark")


def _window(browser: object, address: str, scheme: str) -> Iterator[Window]:
    context = browser.new_context(  # type: ignore[attr-defined]
        viewport={"width": 1400, "height": 900}, color_scheme=scheme
    )
    opened = Window(context, address)
    yield opened
    context.close()


def pages(ids: dict[str, str]) -> dict[str, tuple[str, dict[str, str]]]:
    """Name of a screenshot to page and query."""
    cnn, both = {"run": ids["cnn"]}, {"runs": f"{ids['cnn']},{ids['cnn_tanh']}"}
    return {
        "runs": ("", {}),
        "run_curves": ("run", cnn),
        "run_evaluation": ("run", cnn | {"part": "Evaluation"}),
        "run_mistakes": ("run", cnn | {"part": "Mistakes"}),
        "run_net": ("run", cnn | {"part": "Net"}),
        "run_settings": ("run", cnn | {"part": "Settings"}),
        "run_reproduce": ("run", cnn | {"part": "Reproduce"}),
        "run_log": ("run", cnn | {"part": "Log"}),
        "compare_curves": ("compare", both),
        "compare_settings": ("compare", both | {"compare_part": "Settings"}),
        "compare_same_picture": ("compare", both | {"compare_part": "Same picture"}),
        "compare_by_class": ("compare", both | {"compare_part": "By class"}),
        "compare_disagreements": ("compare", both | {"compare_part": "Disagreements"}),
        "sweep": ("sweep", {"run": ids["sweep"]}),
        "cnn_feature_maps": ("cnn", cnn | {"sample": "3"}),
        "cnn_enlarged": ("cnn", cnn | {"enlarge": "blocks.0.activation", "channel": "2"}),
        "cnn_filters": ("cnn", cnn | {"show": "Filters"}),
        "cnn_filters_deep": ("cnn", cnn | {"show": "Filters", "layer": "blocks.1.conv"}),
        "cnn_excites": ("cnn", cnn | {"show": "What excites it"}),
        "cnn_attribution": ("cnn", cnn | {"show": "Attribution"}),
        "cnn_step_by_step": ("cnn", cnn | {"show": "Step by step"}),
        "cnn_made": ("cnn", cnn | {"show": "Made to excite"}),
        "rnn": ("rnn", {"run": ids["rnn"]}),
        "health": ("health", cnn),
        "launch_train": ("launch", {}),
        "launch_sweep": ("launch", {"what": "sweep"}),
        "bench": ("bench", {}),
        "missing": ("cnn", {"run": ids["bare"]}),
    }


def test_every_page_draws_without_an_error_and_is_labelled(window: Window, filled: Filled) -> None:
    for name, (page, query) in pages(filled[1]).items():
        window.open(page, **query).shot(name)
        window.check()
        _labelled(window)


def _labelled(window: Window) -> None:
    """Inputs have labels, and pictures have alternatives."""
    unnamed = window.page.evaluate(
        """() => [...document.querySelectorAll(
             '[data-testid="stMain"] input:not([type=file]), [data-testid="stMain"] textarea')]
           .filter(e => e.offsetParent && !e.labels?.length && !e.getAttribute('aria-label')
                     && !e.getAttribute('aria-labelledby'))
           .map(e => e.outerHTML)"""
    )
    assert not unnamed, (window.page.url, unnamed)
    blind = window.page.evaluate(
        "[...document.querySelectorAll('[data-testid=\"stImage\"] img')].filter(e => !e.alt).length"
    )
    assert blind == 0, window.page.url


def test_curves_over_rows_smoothed(window: Window, filled: Filled) -> None:
    window.open("run", run=filled[1]["cnn"], smooth="0.8")
    assert "Training loss by step" in window.text()
    before = window.page.locator(".st-key-curve_loss svg[baseProfile]").first.inner_html()
    window.page.get_by_role("radio", name="rows").click()
    window.settled()
    assert "across=rows" in window.page.url
    assert window.page.locator(".st-key-curve_loss svg[baseProfile]").first.inner_html() != before
    window.shot("run_curves_over_rows")
    window.check()


def test_a_running_epoch_shows_how_far_it_is(window: Window, filled: Filled) -> None:
    window.open("run", run=filled[1]["running"], across="time").shot("run_running")
    said = window.text()
    assert "Epoch 2 of 4: 50% of 50,000 rows, 1,000 a second" in said
    assert "Training loss by step" in said and "No epoch is done yet" not in said
    window.check()


def test_a_run_that_diverged_shows_its_loss_blow_up(
    browser: object, tasks: Filled, tmp_path: Path
) -> None:
    folder, ids = tasks
    with server(f"sqlite:///{folder}/mlflow.db", tmp_path) as found:
        for window in _window(browser, found, "light"):
            window.open("run", run=ids["diverged"]).shot("run_diverged")
            said = window.text()
            assert "Training loss by step" in said and "failed before its first epoch" in said
            chart = window.page.locator('[class*="st-key-curve_step"] svg[baseProfile]').first
            assert chart.locator("path").count() > 3
            window.check()


@pytest.mark.parametrize("name", ["runs", "run_curves", "cnn_feature_maps", "sweep", "health"])
def test_dark(name: str, dark: Window, filled: Filled) -> None:
    page, query = pages(filled[1])[name]
    dark.open(page, **query).shot(f"{name}_dark")
    dark.check()
    colour = dark.page.evaluate(
        "getComputedStyle(document.querySelector('.stApp')).backgroundColor"
    )
    assert colour == "rgb(18, 21, 28)"


def test_a_confusion_matrix_is_dark_in_the_dark(dark: Window, filled: Filled) -> None:
    dark.open("run", run=filled[1]["cnn"], part="Evaluation")
    assert _pixels(dark, ".st-key-confusion svg[baseProfile]").mean() < 70
    dark.check()


def test_the_parts_of_a_page_fit_a_small_window(window: Window, filled: Filled) -> None:
    window.page.set_viewport_size({"width": 1280, "height": 800})
    window.open("cnn", run=filled[1]["cnn"])
    last = window.page.get_by_role("radio", name="Made to excite")
    box, parent = last.bounding_box(), last.locator("xpath=../..").bounding_box()
    assert box is not None and parent is not None
    assert box["x"] + box["width"] <= parent["x"] + parent["width"] + 1
    window.check()


def test_back_undoes_a_tab_and_the_charts_fit_800_pixels(window: Window, filled: Filled) -> None:
    page, ids = window.page, filled[1]
    page.set_viewport_size({"width": 800, "height": 900})
    window.open("run", run=ids["cnn"])
    for what in ("epoch", "step"):
        page.get_by_role("button", name=f"CSV by {what}").wait_for()
    page.get_by_role("radio", name="Evaluation").click()
    page.wait_for_url("**part=Evaluation*")
    window.shows("Confusion matrix")
    page.get_by_role("radio", name="Settings").click()
    page.wait_for_url("**part=Settings*")
    window.settled()
    page.go_back()
    window.shows("Confusion matrix")
    assert page.get_by_role("radio", name="Evaluation").get_attribute("aria-checked") == "true"
    page.go_back()
    window.shows("Training loss by step")
    page.go_forward()
    window.shows("Confusion matrix")
    window.open("sweep", run=ids["sweep"])
    box = page.locator(".st-key-parallel svg[baseProfile]").first.bounding_box()
    assert box is not None and box["width"] >= 400
    window.shot("sweep_narrow", width=800)
    window.check()


def test_the_first_request_may_be_any_page(browser: object, filled: Filled, tmp_path: Path) -> None:
    folder, ids = filled
    with server(f"sqlite:///{folder}/mlflow.db", tmp_path) as fresh:
        for opened in _window(browser, fresh, "light"):
            opened.open("health", run=ids["cnn"])
            menu = opened.page.locator('[data-testid="stSidebarNav"]').inner_text()
            assert "Inside a CNN" in menu, "the menu is the app's, not one made from file names"
            opened.check()


def _pixels(window: Window, selector: str) -> np.ndarray:
    content = window.page.locator(selector).first.screenshot()
    return np.asarray(Image.open(io.BytesIO(content)).convert("L"), dtype=float)


def test_charts_and_pictures_are_not_blank(window: Window, filled: Filled) -> None:
    ids = filled[1]
    window.open("run", run=ids["cnn"])
    assert _pixels(window, ".st-key-curve_accuracy svg[baseProfile]").std() > 3
    window.open("sweep", run=ids["sweep"])
    assert _pixels(window, ".st-key-parallel svg[baseProfile]").std() > 3
    window.open("cnn", run=ids["cnn"])
    assert _pixels(window, '[data-testid="stImage"] img').std() > 10
    window.check()


def test_moving_the_epoch_slider_changes_the_maps_and_the_url(
    window: Window, filled: Filled
) -> None:
    window.open("cnn", run=filled[1]["cnn"], show="Filters")
    before = window.picture()
    handle = window.page.get_by_role("slider").first
    handle.focus()
    handle.press("Home")  # at once: a page that draws again between two presses would take one back
    window.other_picture(before)
    window.page.wait_for_url("**epoch=0**")
    assert "epoch=0" in window.page.url
    window.check()


def test_a_shared_address_shows_the_same_in_a_new_window(
    window: Window, browser: object, address: str, filled: Filled
) -> None:
    window.open("cnn", run=filled[1]["cnn"], show="Filters", epoch="1", layer="blocks.1.conv")
    alt = window.page.locator('[data-testid="stImage"] img').first.get_attribute("alt")
    for other in _window(browser, address, "light"):
        other.page.goto(window.page.url)
        other.settled()
        assert "32 filters of 16 × 3 × 3" in other.text()
        assert other.page.locator('[data-testid="stImage"] img').first.get_attribute("alt") == alt
        assert other.page.get_by_role("slider").first.get_attribute("aria-valuetext") == "1"
        other.check()


def test_a_click_in_the_confusion_matrix_shows_its_samples(window: Window, filled: Filled) -> None:
    window.open("run", run=filled[1]["cnn"], part="Evaluation")
    assert "Click a cell" in window.text()
    # ten by ten cells right of the labels and below the margin
    box = window.page.locator(".st-key-confusion svg[baseProfile]").first.bounding_box()
    assert box is not None
    side, height = (box["width"] - 32) / 10, (box["height"] - 76) / 10
    window.click_at(".st-key-confusion svg[baseProfile]", 20 + 9.5 * side, 30 + 8.5 * height)
    window.shows("8 predicted as 9")
    window.shot("run_cell_rare")
    window.click_at(".st-key-confusion svg[baseProfile]", 20 + 0.5 * side, 30 + 0.5 * height)
    window.shows("0 predicted as 0")
    assert window.page.locator('[data-testid="stImage"] img').count() > 3
    window.shot("run_cell")
    window.check()


def test_a_click_on_a_feature_map_enlarges_it(window: Window, filled: Filled) -> None:
    window.open("cnn", run=filled[1]["cnn"])
    board = window.page.get_by_role("button", name="Feature maps of body.blocks.0.activation")
    board.scroll_into_view_if_needed()
    box = board.bounding_box()
    assert box is not None
    # Eight across: the third of the first row.
    window.page.mouse.click(box["x"] + 2.5 / 8 * box["width"], box["y"] + 10)
    window.page.get_by_text("map 2 of blocks.0.activation").wait_for()
    window.settled()
    assert "enlarge=blocks.0.activation" in window.page.url and "channel=2" in window.page.url
    window.check()


def test_a_chart_is_saved_as_svg(window: Window, filled: Filled, tmp_path: Path) -> None:
    window.open("run", run=filled[1]["cnn"])
    window.page.locator(".st-key-curve_accuracy").hover()
    with window.page.expect_download() as saved:
        window.page.get_by_role("button", name="Download as SVG: accuracy per epoch").click()
    path = tmp_path / saved.value.suggested_filename
    saved.value.save_as(path)
    assert path.suffix == ".svg" and "<svg" in path.read_text()
    window.check()


def test_what_is_shown_is_saved_as_png_and_csv(window: Window, filled: Filled) -> None:
    window.open("cnn", run=filled[1]["cnn"], show="Filters")
    with window.page.expect_download() as saved:
        window.page.get_by_role("button", name="PNG").first.click()
    shown = Image.open(saved.value.path())
    assert shown.format == "PNG" and shown.width > 100
    window.open("run", run=filled[1]["cnn"])
    with window.page.expect_download() as saved:
        window.page.get_by_role("button", name="CSV").first.click()
    table = pd.read_csv(saved.value.path())
    assert "validation/accuracy" in table.columns and len(table) >= 3
    window.check()


def test_a_sweep_is_one_row_until_it_is_opened(window: Window, filled: Filled) -> None:
    window.open("", kind="by sweep", q="")
    assert "trial-0" not in window.text()
    window.open("", kind="sweeps")
    window.click_at('[class*="st-key-runs_table"] canvas', 17, 36 + 18)
    window.settled()
    window.page.get_by_role("button", name="Its trials").click()
    window.page.wait_for_url("**sweep_id=**")
    window.shows("Only the trials of sweep").shows("1 to 10 of 10")
    window.page.get_by_role("button", name="All runs").click()
    window.page.wait_for_url(lambda url: "sweep_id" not in url)
    window.check()


def test_a_brush_on_the_parallel_axes_chooses_rows(window: Window, filled: Filled) -> None:
    window.open("sweep", run=filled[1]["sweep"])
    chart = window.page.locator(".st-key-parallel svg[baseProfile]").first
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    assert box is not None
    # The last axis is the result: from its top (50) down to its middle.
    x, top, bottom = box["x"] + box["width"] - 90, box["y"] + 44, box["y"] + box["height"] - 150
    window.page.mouse.move(x, top)
    window.page.mouse.down()
    window.page.mouse.move(x, bottom, steps=8)
    window.page.mouse.up()
    window.shows("cross the selected ranges")
    window.shot("sweep_brushed")
    window.page.mouse.click(x, bottom + 30)
    window.page.get_by_text("cross the selected ranges").wait_for(state="detached")
    window.check()


def test_runs_like_one_that_is_picked(window: Window, filled: Filled) -> None:
    window.open("", kind="trainings", q="params.`net.activation` = 'tanh'")
    window.click_at('[class*="st-key-runs_table"] canvas', 17, 36 + 18)
    window.settled()
    window.page.get_by_role("button", name="Runs like this").click()
    window.page.get_by_text("training.batch_size = ").first.click()
    window.settled()
    window.page.get_by_role("button", name="Filter", exact=True).click()
    window.page.wait_for_url("**q=params.%60training.batch_size%60*")
    window.settled()
    asked = window.page.get_by_role("textbox", name="Filter").input_value()
    assert asked.startswith("params.`training.batch_size` = '")
    window.check()


def test_a_picture_of_ones_own(window: Window, filled: Filled, tmp_path: Path) -> None:
    drawn = Image.new("L", (64, 64), 255)
    drawn.paste(0, (26, 6, 38, 58))
    path = tmp_path / "one.png"
    drawn.save(path)
    window.open("cnn", run=filled[1]["cnn"])
    window.page.get_by_text("my own", exact=True).click()
    window.settled()
    window.page.locator('input[type="file"]').set_input_files(path)
    window.page.get_by_text("Light on dark: invert").click()
    window.settled()
    window.page.get_by_text("your picture").first.wait_for()
    assert "blocks.1.conv" in window.text()
    window.shot("cnn_upload")

    path = tmp_path / "two.png"
    path.write_bytes(b"not a picture at all")
    window.page.locator('input[type="file"]').set_input_files(path)
    window.settled()
    window.page.get_by_text("cannot be read as a picture: it is none of PNG").wait_for()
    assert "0x" not in window.text()
    window.check()


def test_from_the_table_to_a_comparison(window: Window, filled: Filled) -> None:
    window.open("", kind="trainings", q="metrics.`test/accuracy` > 0")
    for row in (0, 1):
        window.click_at('[class*="st-key-runs_table"] canvas', 17, 36 + 18 + row * 35)
        window.settled()
    window.page.get_by_role("button", name="Compare").click()
    window.page.wait_for_url("**/compare*")
    window.shows("validation/accuracy")
    assert "runs=" in window.page.url
    window.check()
