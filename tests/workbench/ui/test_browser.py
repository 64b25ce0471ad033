"""The UI in a real browser, on real runs."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.workbench.ui.browser import CHROMIUM, Window, open_window, server
from tracking import Reader
from workbench.ui import charts

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not CHROMIUM, reason="Chromium is not installed (Debian: apt install chromium)"
    ),
]
Filled = tuple[Path, dict[str, str]]
# The middle and the colour of a dot that no other one covers
_FIND_DOT = """(chart, last) => {
  let dot = null;
  for (const path of chart.querySelectorAll('path[fill-opacity="0.8"][fill^="#"]')) {
    const box = path.getBoundingClientRect();
    const x = box.x + box.width / 2, y = box.y + box.height / 2;
    if (box.width > 9 || document.elementFromPoint(x, y) !== path) continue;  // the legend's
    dot = [x, y, path.getAttribute("fill")];
    if (!last) break;
  }
  return dot;
}"""


def pages(filled: Filled) -> dict[str, tuple[str, dict[str, str]]]:
    """Name of a screenshot to page and query."""
    folder, ids = filled
    trials = Reader(f"sqlite:///{folder}/mlflow.db").children(ids["sweep"])
    many = ",".join([ids["cnn"], ids["cnn_tanh"], *(trial.run_id for trial in trials)])
    cnn, both = {"run": ids["cnn"]}, {"runs": f"{ids['cnn']},{ids['cnn_tanh']}"}
    return {
        "runs": ("", {}),
        "runs_grouped": ("", {"group": "net.activation"}),
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
        "compare_many": ("compare", {"runs": many}),
        "compare_many_settings": (
            "compare",
            {"runs": many, "compare_part": "Settings"},
        ),
        "sweep": ("sweep", {"run": ids["sweep"]}),
        "cnn_feature_maps": ("cnn", cnn | {"sample": "3"}),
        "cnn_enlarged": ("cnn", cnn | {"enlarge": "blocks.0.activation", "channel": "2"}),
        "cnn_filters": ("cnn", cnn | {"show": "Filters"}),
        "cnn_forming": ("cnn", cnn | {"show": "See it form"}),
        "cnn_forming_maps": ("cnn", cnn | {"show": "See it form", "forming": "feature maps"}),
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


def test_every_page_draws_without_an_error_for_everyone(window: Window, filled: Filled) -> None:
    for page, query in pages(filled).values():
        window.open(page, **query)
        window.check()
        window.check_labels()
        window.check_access()


def test_curves_over_rows_smoothed(window: Window, filled: Filled) -> None:
    window.open("run", run=filled[1]["cnn"], smooth="0.8")
    assert "Training loss by step" in window.text()
    before = window.page.locator(".st-key-curve_loss svg[baseProfile]").first.inner_html()
    window.page.get_by_role("radio", name="rows").click()
    window.settled()
    assert "across=rows" in window.page.url
    assert window.page.locator(".st-key-curve_loss svg[baseProfile]").first.inner_html() != before
    window.check()


def test_a_running_epoch_shows_how_far_it_is(window: Window, filled: Filled) -> None:
    window.open("run", run=filled[1]["running"], across="time")
    said = window.text()
    assert "Epoch 2 of 4: 50% of 50,000 rows, 1,000 a second" in said
    assert "Training loss by step" in said and "No epoch is done yet" not in said
    window.check()


def test_dark(dark: Window, filled: Filled) -> None:
    for name in ("runs", "run_curves", "run_evaluation", "cnn_feature_maps", "sweep", "health"):
        page, query = pages(filled)[name]
        dark.open(page, **query).check()
        ground = "getComputedStyle(document.querySelector('.stApp')).backgroundColor"
        assert dark.page.evaluate(ground) == "rgb(18, 21, 28)"
        dark.check_access("color-contrast")


def test_a_page_that_is_left_open_asks_only_for_new_runs(window: Window, filled: Filled) -> None:
    page, ids = window.page, filled[1]
    page.clock.install()
    for name in ("run", "cnn", "health", "compare"):
        window.open(name, run=ids["cnn"], runs=f"{ids['cnn']},{ids['cnn_tanh']}")
        window.sent.clear()
        page.clock.fast_forward("01:00:00")
        assert not window.settled().sent, name
    window.open().sent.clear()
    page.clock.fast_forward("00:10")
    assert window.settled().sent, "it looks for runs of other programs"
    window.check()


def test_a_confusion_matrix_is_dark_in_the_dark(dark: Window, filled: Filled) -> None:
    dark.open("run", run=filled[1]["cnn"], part="Evaluation")
    assert _pixels(dark, ".st-key-confusion svg[baseProfile]").mean() < 70
    dark.check()


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
    window.check_fit()
    window.open("cnn", run=ids["cnn"], show="Step by step")
    cells = page.locator('[class*="st-key-cells_"] [data-testid="stEChartsChart"]').all()
    widths = [box["width"] for one in cells if (box := one.bounding_box()) is not None]
    assert len(widths) == 3 and min(widths) >= 120, "three numbers beside one another"
    window.check_fit()
    window.open("run", run=ids["cnn"], part="Log").shows("a_long_name")
    window.check_fit()
    window.open().check_fit()
    window.check()


def test_a_job_leads_to_its_own_runs(window: Window) -> None:
    window.open("launch").page.get_by_role("link", name="See its runs").click()
    window.page.wait_for_url("**/?q=created*")
    window.shows("1 to 11 of 11")  # the sweep and its ten trials; not the runs before and after
    assert window.page.get_by_role("textbox", name="Filter").input_value().startswith("created >=")
    window.check()


def test_a_click_on_the_map_is_its_sample(window: Window, filled: Filled) -> None:
    window.open("run", run=filled[1]["cnn"], part="Samples")
    assert "Click a dot" in window.text()
    chart = window.page.locator(".st-key-sample_map svg[baseProfile]").first
    classes = []
    for last in (False, True):  # the first dot stays selected when one of another class is clicked
        chart.scroll_into_view_if_needed()
        x, y, colour = chart.evaluate(_FIND_DOT, last)
        window.page.mouse.click(x, y)
        window.shows("The sample you clicked.")
        classes.append(charts.COLOURS.index(colour))
        window.page.get_by_alt_text(f"picked: {classes[-1]}", exact=True).wait_for()
    assert classes[0] != classes[1]
    window.check()


def test_the_first_request_may_be_any_page(browser: object, filled: Filled, tmp_path: Path) -> None:
    folder, ids = filled
    with server(f"sqlite:///{folder}/mlflow.db", tmp_path) as fresh:
        for opened in open_window(browser, fresh, "light"):
            opened.open("health", run=ids["cnn"])
            menu = opened.page.locator('[data-testid="stSidebar"]').inner_text()
            assert "Inside a CNN" in menu, "the menu is the app's, not one made from file names"
            opened.open("runs", kind="sweeps")
            assert opened.page.url == f"{fresh}/?kind=sweeps", "the first page by its name"
            opened.shows("1 to 1 of 1")
            assert "Page not found" not in opened.page.inner_text("body")
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


def test_a_click_in_the_confusion_matrix_shows_its_samples(window: Window, filled: Filled) -> None:
    window.open("run", run=filled[1]["cnn"], part="Evaluation")
    assert "Click a cell" in window.text()
    # ten by ten cells right of the labels and below the margin
    box = window.page.locator(".st-key-confusion svg[baseProfile]").first.bounding_box()
    assert box is not None
    side, height = (box["width"] - 32) / 10, (box["height"] - 76) / 10
    window.click_at(".st-key-confusion svg[baseProfile]", 20 + 9.5 * side, 30 + 8.5 * height)
    window.shows("8 predicted as 9")
    window.click_at(".st-key-confusion svg[baseProfile]", 20 + 0.5 * side, 30 + 0.5 * height)
    window.shows("0 predicted as 0")
    assert window.page.locator('[data-testid="stImage"] img').count() > 3
    window.check()


def test_search_by_keyboard(window: Window, filled: Filled) -> None:
    page = window.open().page
    page.keyboard.press("Control+k")
    box = page.get_by_role("dialog").get_by_role("combobox")
    box.wait_for()
    box.fill("step by step")
    page.get_by_role("option", name="Step by step").wait_for()
    page.keyboard.press("Enter")
    page.wait_for_url("**/cnn?*show=Step*")
    window.settled()
    page.keyboard.press("Control+k")
    box.wait_for()
    box.fill("setting: training.learning_rate")
    page.get_by_role("option", name="Setting: training.learning_rate").first.wait_for()
    page.keyboard.press("Enter")
    page.get_by_text("Step size of the optimizer").wait_for()
    page.get_by_role("link", name="Runs by its values").click()
    page.wait_for_url("**group=training.learning_rate*")
    window.shows("groups of")
    window.check()


def test_a_report_opens_without_the_server(
    window: Window, browser: object, filled: Filled, tmp_path: Path
) -> None:
    window.open("run", run=filled[1]["cnn"], part="Reproduce")
    with window.page.expect_download() as saved:
        window.page.get_by_role("button", name="Report").click()
    saved.value.save_as(tmp_path / "report.html")
    context = browser.new_context(offline=True)  # type: ignore[attr-defined]
    page = context.new_page()
    page.goto((tmp_path / "report.html").as_uri())
    assert "test/accuracy" in page.inner_text("body")
    broken = page.evaluate("[...document.images].filter(i => !i.naturalWidth).length")
    assert page.locator("img").count() == 3 and broken == 0
    context.close()
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


def test_from_the_table_to_a_comparison(window: Window, filled: Filled) -> None:
    window.open("", kind="trainings", q="metrics.`test/accuracy` > 0")
    for row in (0, 1):
        window.click_at('[class*="st-key-runs_table"] canvas', 17, 36 + 18 + row * 35)
        window.settled()
    window.page.get_by_role("button", name="Compare", exact=True).click()
    window.page.wait_for_url("**/compare*")
    window.shows("validation/accuracy")
    assert "runs=" in window.page.url
    window.check()
