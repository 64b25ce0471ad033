"""The page Runs of the browser UI on an SQLite store of ten thousand runs, in a real Chromium.

    python -m benchmarks.browser [--runs 10000] [--metrics 20] [--steps 5]

Each time is from the key press to the frame after the script has ended, so what is drawn is in it. No round
asks what an earlier one asked: nothing is answered from a cache. The first table is a page in a new
window of a browser that has Streamlit's files, on a server that has drawn the page before.
"""

from __future__ import annotations

import sqlite3
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

from playwright.sync_api import BrowserContext, Page, sync_playwright

from benchmarks import report
from benchmarks.runs import ACTIVATIONS, fill
from tests.workbench.ui.browser import ARGUMENTS, CHROMIUM, Window, server

ROUNDS = 5
_CONTROLS = "Group, sort, experiments, columns"
# Resolves to the milliseconds until the script has run once and two frames are drawn
_WATCH = """() => {
  const app = document.querySelector('[data-testid="stApp"]');
  const began = performance.now();
  let ran = false;
  window.timed = new Promise((resolve) => {
    new MutationObserver((_, observer) => {
      const state = app.dataset.testScriptState;
      ran ||= state === "running";
      if (!ran || state !== "notRunning") return;
      observer.disconnect();
      requestAnimationFrame(() => requestAnimationFrame(() => resolve(performance.now() - began)));
    }).observe(app, {attributes: true, attributeFilter: ["data-test-script-state"]});
  });
}"""


def time_enter(page: Page) -> float:
    """Seconds from Enter until its answer is drawn."""
    page.evaluate(_WATCH)
    page.keyboard.press("Enter")
    return float(page.evaluate("window.timed")) / 1000


def first_table(window: Window, num_runs: int) -> float:
    """Seconds from an address to the table."""
    began = time.perf_counter()
    window.page.goto(f"{window.address}/")
    window.page.get_by_text(f"of {num_runs:,}", exact=False).first.wait_for()
    window.page.locator('[class*="st-key-runs_table"] canvas').first.wait_for()
    seconds = time.perf_counter() - began
    window.page.close()  # an open page looks at the store every few seconds
    return seconds


def search(window: Window, text: str) -> float:
    """Seconds to the rows that a text finds."""
    box = window.page.get_by_label("Filter", exact=True)
    box.fill(text)
    window.page.keyboard.press("Escape")  # the offered names
    box.focus()
    return time_enter(window.page)


def sort(window: Window, name: str) -> float:
    """Seconds to the runs in another order."""
    box = window.page.get_by_role("combobox", name="Sort by")
    box.click()
    box.fill(name)
    window.page.get_by_role("option", name=name, exact=True).first.wait_for()
    return time_enter(window.page)


def group(window: Window, name: str) -> float:
    """Seconds from an address to the groups of all runs by a parameter: the page is loaded, too."""
    began = time.perf_counter()
    window.page.goto(f"{window.address}/?group={name}")
    window.page.locator(".st-key-groups canvas").first.wait_for()
    return time.perf_counter() - began


def open_controls(window: Window) -> None:
    window.page.get_by_text(_CONTROLS).click()
    window.page.get_by_role("combobox", name="Sort by").wait_for()


def fill_visible(folder: Path, num_runs: int, num_metrics: int, num_steps: int) -> str:
    """The store of `benchmarks.runs`, its metrics named so that the page offers them; its address."""
    uri = fill(folder, num_runs, num_metrics, num_steps)
    with closing(sqlite3.connect(folder / "mlflow.db")) as database:
        for table in ("metrics", "latest_metrics"):
            database.execute(
                f"UPDATE {table} SET key = replace(key, 'health/', 'train/') WHERE key LIKE 'health/%'"
            )
        database.commit()
    return uri


def measure_page(results: report.Report, context: BrowserContext, uri: str, folder: Path) -> None:
    """Adds the rows of all cases."""
    options = results.head["options"]
    count = range(options["rounds"] + 1)

    def add(case: str, way: Callable[[str], float], asked: Sequence[str]) -> None:
        seconds = [way(text) for text in asked][1:]  # the first one is to warm up
        results.add(case, "browser", seconds, limit=1)

    with server(uri, folder / "home") as address:
        times = [first_table(Window(context, address), options["runs"]) for _ in count]
        results.add("first table", "browser", times[1:], limit=1)
        window = Window(context, address).open("")
        words = [f"{ACTIVATIONS[i % 4]} trial-{i:03d}" for i in count]
        add("search for words", lambda text: search(window, text), words)
        conditions = [f"accuracy > 0.{i} and learning_rate < 0.05" for i in count]
        add("search by conditions", lambda text: search(window, text), conditions)
        search(window, "")
        open_controls(window)
        metrics = [f"train/layer{i}/dead" for i in count]
        add("sort by a metric", lambda name: sort(window, name), metrics)
        settings = [f"part.setting_{i}" for i in count]
        add("sort by a parameter", lambda name: sort(window, name), settings)
        add("page of groups by a parameter", lambda name: group(window, name), settings)
        window.check()


def main() -> None:
    parser = report.make_parser(__doc__, rounds=ROUNDS)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--metrics", type=int, default=20, help="per run")
    parser.add_argument("--steps", type=int, default=5, help="of each metric")
    options = parser.parse_args()
    what = f"{options.runs:,} runs x {options.metrics} metrics"
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        uri = fill_visible(Path(folder), options.runs, options.metrics, options.steps)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        results = report.Report("browser", f"The page Runs in a browser: {what}", options)
        context = browser.new_context(viewport={"width": 1400, "height": 900})
        measure_page(results, context, uri, Path(folder))
        browser.close()
    results.finish()


if __name__ == "__main__":
    main()
