"""Finding runs in a real browser, while another program writes them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from tests.workbench.ui.browser import ARGUMENTS, CHROMIUM, Window, server
from tests.workbench.ui.fill import base, open_recorder
from tracking import Reader
from workbench.training import provenance

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not CHROMIUM, reason="Chromium is not installed (Debian: apt install chromium)"
    ),
]
_NOTICED_MS = 15_000
_ROWS = 105


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Window, Path]]:
    """A window on a store without runs, and the store's folder."""
    from playwright.sync_api import sync_playwright

    folder = tmp_path_factory.mktemp("find")
    with (
        server(f"sqlite:///{folder}/mlflow.db", folder / "home") as address,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        context = browser.new_context(viewport={"width": 1400, "height": 900})
        yield Window(context, address), folder
        browser.close()


def add_run(folder: Path, name: str, **params: str) -> str:
    """What a training in a terminal writes first."""
    recorder = open_recorder(folder)
    tags = provenance.tags(base(), "train", "f00d")
    run_id = recorder.start(
        "digits_cnn", name, params=provenance.params(base()) | params, tags=tags
    )
    recorder.finish(run_id, "FAILED" if name == "broken" else "FINISHED")
    recorder.flush()
    return run_id


def add_first_and_second(folder: Path) -> None:
    """What most tests begin with, whichever ran before in this process."""
    names = {run.name for run in Reader(f"sqlite:///{folder}/mlflow.db").runs(limit=200)}
    for name in ("first", "second"):
        if name not in names:
            add_run(folder, name)


def ticked(window: Window) -> str:
    """The name of the one ticked run, which Open opens."""
    window.page.locator(".st-key-act_open button").click()
    window.page.wait_for_url("**/run?run=*")
    window.settled()
    name = window.page.get_by_role("combobox").first.input_value().split(" ")[0]
    window.page.go_back()
    return name


def test_an_open_page_notices_runs_and_keeps_what_is_ticked(
    opened: tuple[Window, Path],
) -> None:
    window, folder = opened
    window.open()
    assert "No runs yet" in window.text()
    add_run(folder, "first")
    window.page.get_by_text("1 to 1 of 1").wait_for(timeout=_NOTICED_MS)
    window.settled()
    window.click_at('[class*="st-key-runs_table"] canvas', 17, 36 + 18)
    window.page.get_by_role("button", name="Look inside").wait_for()
    add_run(folder, "second")
    window.page.get_by_text("1 new run").wait_for(timeout=_NOTICED_MS)
    window.settled()
    assert ticked(window) == "first"
    window.open().shows("1 to 2 of 2")
    window.check()


def test_a_tag_and_a_note_are_columns(opened: tuple[Window, Path]) -> None:
    window, folder = opened
    add_first_and_second(folder)
    window.open()
    window.click_at('[class*="st-key-runs_table"] canvas', 17, 36 + 18)
    window.page.get_by_role("button", name="Tag or note").click()
    window.page.get_by_role("textbox", name="Tag", exact=True).fill("keep")
    window.page.get_by_role("textbox", name="Value").fill("yes")
    window.page.get_by_role("textbox", name="Note").fill("the one to show")
    window.page.get_by_role("button", name="Save").click()
    window.page.get_by_text("Saved.").wait_for()
    with window.settled().page.expect_download() as saved:
        window.page.get_by_test_id("stBaseButton-tertiary").click()
    table = pd.read_csv(saved.value.path()).set_index("run")
    assert table.loc["second", "keep"] == "yes"
    assert table.loc["second", "note"] == "the one to show"
    window.open("", q="show keep")
    assert "1 to 1 of 1" in window.text()

    window.page.get_by_text("Edit names, tags and notes").click()
    window.shows("A change is saved when you leave the cell")
    window.click_at('[class*="st-key-runs_editor"] canvas', 40, 36 + 18)
    selected = window.page.locator('[class*="st-key-runs_editor"] td[aria-selected="true"]')
    for cell in ("finished", "digits_cnn", "second", "the one to show"):  # a key too early is lost
        selected.filter(has_text=cell).wait_for(state="attached")
        if cell != "the one to show":
            window.page.keyboard.press("ArrowRight")
    window.page.keyboard.press("Enter")  # opens the cell
    cell_editor = window.page.locator("#portal .gdg-input")
    cell_editor.fill("written in place")
    cell_editor.press("Enter")
    window.page.get_by_text("Saved.").wait_for()
    window.open("", q="'written in place' keep").shows("1 to 1 of 1")
    window.check()


def test_names_are_offered_while_typing(opened: tuple[Window, Path]) -> None:
    window, folder = opened
    add_first_and_second(folder)
    page = window.open().page
    box = page.get_by_role("textbox", name="Filter")
    box.click()
    box.press_sequentially("first or learn")
    page.get_by_role("option", name="training.learning_rate parameter").wait_for()
    box.press("ArrowDown")
    box.press("Enter")
    assert box.input_value() == "first or training.learning_rate "
    assert page.get_by_role("option").count() == 0
    box.press_sequentially("> 0")
    box.press("Enter")
    window.shows("1 to 2 of 2")
    box.fill("")
    box.press_sequentially("fin")
    page.get_by_role("option", name="finished status").click()
    assert box.input_value() == "finished "
    box.press_sequentially("fai")
    page.get_by_role("listbox").wait_for()
    page.mouse.wheel(0, 40)  # of whatever is scrolled, also by the page itself
    page.evaluate(
        "document.querySelector('[data-testid=stMain]').dispatchEvent(new Event('scroll'))"
    )
    assert page.get_by_role("listbox").is_visible()
    box.press("Escape")
    assert page.get_by_role("option").count() == 0
    window.check()


def test_names_are_offered_for_what_was_typed_before_the_list_was_there(
    opened: tuple[Window, Path],
) -> None:
    window, folder = opened
    add_first_and_second(folder)
    page = window.page
    page.goto(window.address)
    box = page.get_by_role("textbox", name="Filter")
    box.wait_for()
    box.press_sequentially("learn")
    page.get_by_role("option", name="training.learning_rate parameter").wait_for()
    window.settled().check()


def test_a_view_is_saved_and_opened_by_name_and_by_address(opened: tuple[Window, Path]) -> None:
    window, folder = opened
    add_first_and_second(folder)
    window.open("", q="first", kind="trainings")
    window.page.get_by_role("button", name="Views").click()
    window.page.get_by_role("textbox", name="Save what is shown as").fill("mine & yours")
    window.page.get_by_role("button", name="Save view").click()
    window.page.wait_for_url("**view=mine*")
    assert '"q": "first"' in (folder / "home" / "views.json").read_text()
    window.open().shows("1 to 2 of 2")
    window.page.get_by_role("button", name="Views").click()
    window.page.get_by_role("button", name="mine & yours").click()
    window.shows("1 to 1 of 1")
    window.open("", view="mine & yours").shows("1 to 1 of 1")
    assert window.page.get_by_role("textbox", name="Filter").input_value() == "first"
    window.open("", view="mine & yours", q="second").shows("1 to 1 of 1")
    assert window.page.get_by_role("textbox", name="Filter").input_value() == "second"
    assert "There is no saved view" in window.open("", view="other").text()
    window.check()


def test_many_runs(opened: tuple[Window, Path]) -> None:
    window, folder = opened
    add_first_and_second(folder)
    add_run(folder, "broken")
    for number in range(_ROWS - 3):
        add_run(folder, f"run-{number:03d}", **{"training.learning_rate": f"{number + 1}e-5"})
    window.open().shows("1 to 50 of 105")
    assert "sorts these rows" in window.text()
    with window.page.expect_download() as saved:
        window.page.get_by_role("button", name="CSV of all 105 runs").click()
    assert len(pd.read_csv(saved.value.path())) == _ROWS
    window.page.get_by_role("button", name="Next page").click()
    window.shows("51 to 100 of 105")
    window.page.reload()
    window.settled().shows("51 to 100 of 105")

    filters = window.page.get_by_role("textbox", name="Filter")
    for text, says in (
        ("failed or lr < 2e-5", "1 to 2 of 2"),
        ("run-017", "1 to 1 of 1"),
        ("accuracy > 0.9", "no run has a metric, parameter or tag 'accuracy'"),
        ("(lr > 1", "a bracket is not closed"),
    ):
        filters.fill(text)
        filters.press("Enter")
        window.shows(says)
    assert "{" not in window.text()

    window.open("", group="status_of_none").shows("1 to 50 of 105")
    window.open("", group="training.seed", q="run").shows("1 group of 102 runs")
    window.click_at(".st-key-groups canvas", 17, 36 + 18)
    window.page.get_by_role("button", name="Its runs").click()
    window.shows("1 to 50 of 102")
    assert filters.input_value() == "(run) and params.`training.seed` = 0"
    window.page.get_by_role("button", name="Compare the first 100").click()
    window.page.wait_for_url("**/compare*")
    window.shows("None of these runs has recorded an epoch yet")

    window.open("run")
    assert "the latest 100 of 105" in window.text()
    box = window.page.get_by_role("combobox").first
    box.fill("first")  # not among the latest
    box.press("Enter")
    window.page.wait_for_url("**/run?run=*")
    window.settled()
    window.page.wait_for_function(
        "document.querySelector('input[role=combobox]').value.startsWith('first')"
    )

    window.open("", q="broken").shows("1 to 1 of 1")
    filters.press("End")
    filters.press_sequentially(" or fai")
    add_run(folder, "broken-again")  # the page shows it by itself, below the open list
    window.shows("1 to 2 of 2")
    assert window.page.get_by_role("option", name="failed status").is_visible()
    window.check()
