"""What a page of runs that is left open for an hour adds to the browser's tab and to the server.

    python -m benchmarks.left_open [--looks 1200] [--runs 60]

The page looks for new runs every 3 s, 1,200 times an hour. Here the browser's clock is put forward from look
to look, and between them runs are recorded. The tab's memory is taken after garbage collection. The first
figures are those after a tenth of the looks, when caches are warm.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import psutil
from playwright.sync_api import BrowserContext, CDPSession, sync_playwright

from benchmarks import report
from tests.workbench.ui.browser import ARGUMENTS, CHROMIUM, Window, server
from tests.workbench.ui.fill import base, open_recorder
from workbench.training import provenance

LIMIT_MB = 20
PARTS = 10
_LOOK_MS = 3100


def add_run(folder: Path, number: int) -> None:
    """A run as a training records it: parameters, tags and twenty epochs."""
    recorder = open_recorder(folder)
    experiment = base(**{"training.seed": number})
    params, tags = provenance.params(experiment), provenance.tags(experiment, "train", "f00d")
    run_id = recorder.start(experiment.name, f"run-{number:04d}", params=params, tags=tags)
    for epoch in range(1, 21):
        metrics = {"train/loss": 1 / epoch, "validation/accuracy": 1 - 1 / epoch}
        recorder.metrics(run_id, metrics | {"epoch": float(epoch)}, epoch)
    recorder.finish(run_id, "FINISHED")
    recorder.flush()


def measure_tab(session: CDPSession) -> tuple[float, int]:
    """Megabytes of the page's JavaScript, and the nodes of its documents."""
    session.send("HeapProfiler.collectGarbage")
    metrics = session.send("Performance.getMetrics")["metrics"]
    values = {metric["name"]: metric["value"] for metric in metrics}
    return values["JSHeapUsedSize"] / 1e6, int(values["Nodes"])


def find_server() -> psutil.Process:
    children = psutil.Process().children(recursive=True)
    return next(child for child in children if "streamlit" in " ".join(child.cmdline()))


def leave_open(
    context: BrowserContext, address: str, folder: Path, looks: int, runs: int
) -> dict[str, list[float]]:
    """Leaves the page open while runs arrive; of tab and server the megabytes after each part."""
    window = Window(context, address)
    window.page.clock.install()
    window.open()
    session = context.new_cdp_session(window.page)
    session.send("Performance.enable")
    process = find_server()
    seen: dict[str, list[float]] = {"tab": [], "server": []}
    for look in range(1, looks + 1):
        if look * runs // looks > (look - 1) * runs // looks:
            add_run(folder, look)
        window.page.clock.fast_forward(_LOOK_MS)
        window.page.wait_for_timeout(60)
        if look % (looks // PARTS):
            continue
        window.settled()
        tab, nodes = measure_tab(session)
        seen["tab"].append(tab)
        seen["server"].append(process.memory_full_info().uss / 1e6)
        print(
            f"{look} looks, {len(window.sent)} answered: tab {tab:.1f} MB, {nodes} nodes, "
            f"server {seen['server'][-1]:.0f} MB",
            file=sys.stderr,
            flush=True,
        )
    assert len(window.sent) > looks / 2, "the page looks for new runs"
    window.check()
    return seen


def main() -> None:
    parser = report.make_parser(__doc__, rounds=1)
    parser.add_argument("--looks", type=int, default=1200, help="an hour has 1,200")
    parser.add_argument("--runs", type=int, default=60, help="recorded meanwhile")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        add_run(folder, 0)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        context = browser.new_context(viewport={"width": 1400, "height": 900})
        results = report.Report("left_open", "A page of runs left open for an hour", options)
        with server(f"sqlite:///{folder}/mlflow.db", folder / "home") as address:
            seen = leave_open(context, address, folder, options.looks, options.runs)
        for case, key in (("the browser's tab", "tab"), ("the server", "server")):
            grown = seen[key][-1] - seen[key][0]
            results.add(case, "grown by", grown, "MB", limit=LIMIT_MB)
        browser.close()
    results.finish()


if __name__ == "__main__":
    main()
