"""Makes the manual's pictures from the real UI: `make pictures`, or `python docs/manual/pictures.py`.

Small nets are trained in this process, the UI is started on their store, and Chromium takes a
picture of each page into `docs/pictures`. A picture that looks as before is not written again.

`--look FOLDER` takes every page instead, for a person to look at: whole, in the light, in the dark,
and 800 pixels wide.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.workbench.ui.browser import ARGUMENTS, CHROMIUM, Window, server  # noqa: E402
from tests.workbench.ui.fill import fill  # noqa: E402
from tests.workbench.ui.tasks import fill_tasks  # noqa: E402

FOLDER = ROOT / "docs" / "pictures"
WIDTH, HEIGHT = 1280, 800
COLOURS = 96
"""A third of the size of all colours, and no difference to be seen."""
CHANGED = 0.02
"""Times and ids differ in each run: a picture with fewer pixels that differ is the same one."""
LOOKS = {"light": (1400, "light"), "dark": (1400, "dark"), "narrow": (800, "light")}
Pages = dict[str, tuple[str, dict[str, str]]]


def manual_pages(ids: dict[str, str]) -> Pages:
    """Name of a picture of the manual to the page, and what its address says."""
    cnn = {"run": ids["cnn"]}
    both = {"runs": f"{ids['cnn']},{ids['cnn_tanh']}"}
    return {
        "runs": ("", {"q": "finished"}),
        "groups": ("", {"group": "net.activation"}),
        "sweep": ("sweep", {"run": ids["sweep"]}),
        "run": ("run", cnn),
        "evaluation": ("run", cnn | {"part": "Evaluation"}),
        "forecast": ("run", {"run": ids["forecast"], "part": "Evaluation"}),
        "autoencoder": ("run", {"run": ids["autoencoder"], "part": "Evaluation"}),
        "compare": ("compare", both),
        "same-picture": ("compare", both | {"compare_part": "Same picture"}),
        "feature-maps": ("cnn", cnn | {"sample": "3"}),
        "filters": ("cnn", cnn | {"show": "Filters"}),
        "see-it-form": ("cnn", cnn | {"show": "See it form"}),
        "attribution": ("cnn", cnn | {"show": "Attribution"}),
        "step-by-step": ("cnn", cnn | {"show": "Step by step"}),
        "rnn": ("rnn", {"run": ids["rnn"]}),
        "health": ("health", cnn),
        "launch": ("launch", {}),
    }


def every_page(ids: dict[str, str]) -> Pages:
    """Each page on each kind of task."""
    cnn, rnn = {"run": ids["cnn"]}, {"run": ids["rnn"]}
    more: Pages = {
        f"run-{task}-{part.lower()}": ("run", {"run": ids[task], "part": part})
        for task in ("cnn", "rnn", "words", "forecast", "autoencoder", "diverged")
        for part in ("Curves", "Evaluation", "Net")
    }
    more |= {
        f"run-cnn-{part.lower()}": ("run", cnn | {"part": part})
        for part in ("Mistakes", "Samples", "Settings", "Reproduce", "Log")
    }
    more |= {f"rnn-{task}": ("rnn", {"run": ids[task]}) for task in ("words", "forecast")}
    more |= {
        f"health-{task}": ("health", {"run": ids[task]})
        for task in ("rnn", "forecast", "autoencoder", "diverged")
    }
    all_tasks = ",".join(ids[name] for name in ("cnn", "cnn_tanh", "rnn", "diverged"))
    return {
        **manual_pages(ids),
        **more,
        "runs-all": ("", {}),
        "run-rates": ("run", {"run": ids["rates"]}),
        "run-running": ("run", {"run": ids["running"]}),
        "compare-tasks": ("compare", {"runs": all_tasks}),
        "compare-settings": ("compare", {"runs": all_tasks, "compare_part": "Settings"}),
        "compare-classes": ("compare", {"runs": all_tasks, "compare_part": "By class"}),
        "compare-disagreements": ("compare", {"runs": all_tasks, "compare_part": "Disagreements"}),
        "cnn-excites": ("cnn", cnn | {"show": "What excites it"}),
        "cnn-made": ("cnn", cnn | {"show": "Made to excite"}),
        "cnn-forming-maps": ("cnn", cnn | {"show": "See it form", "forming": "feature maps"}),
        "cnn-of-an-rnn": ("cnn", rnn),
        "launch-sweep": ("launch", {"what": "sweep"}),
        "data": ("data", {}),
        "bench": ("bench", {}),
    }


def take(window: Window, path: Path) -> None:
    """The window as a picture in the manual."""
    content = window.page.screenshot(animations="disabled")
    picture = Image.open(io.BytesIO(content)).convert("RGB").quantize(COLOURS)
    same = path.is_file() and _share_of_changed(path, picture) < CHANGED
    if not same:
        picture.save(path, optimize=True)
    says = "as before" if same else "written"
    print(f"{path.relative_to(ROOT)}  {path.stat().st_size // 1024} kB, {says}")


def _share_of_changed(path: Path, picture: Image.Image) -> float:
    before, after = (
        np.asarray(each.convert("L"), dtype=np.int16) for each in (Image.open(path), picture)
    )
    if before.shape != after.shape:
        return 1.0
    return float((np.abs(before - after) > 24).mean())


def take_manual(browser: Browser, address: str, pages: Pages) -> None:
    FOLDER.mkdir(exist_ok=True)
    context = browser.new_context(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
    window = Window(context, address)
    for name, (page, query) in pages.items():
        window.open(page, **query).check()
        take(window, FOLDER / f"{name}.png")
    context.close()


def take_whole(window: Window, width: int, path: Path) -> None:
    """The whole page, however high it is."""
    height = window.page.evaluate(
        "document.querySelector('[data-testid=\"stMainBlockContainer\"]').scrollHeight + 60"
    )
    window.page.set_viewport_size({"width": width, "height": max(900, min(int(height), 3600))})
    window.page.wait_for_timeout(700)
    window.page.screenshot(path=path)
    window.page.set_viewport_size({"width": width, "height": 900})


def take_looks(browser: Browser, address: str, pages: Pages, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for look, (width, scheme) in LOOKS.items():
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        window = Window(context, address)
        for name, (page, query) in pages.items():
            take_whole(window.open(page, **query), width, folder / f"{name}-{look}.png")
            for error in window.errors:
                print(f"{name}-{look}: {error}")
            window.errors.clear()
        context.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("names", nargs="*", help="pictures to make; none: all")
    parser.add_argument("--look", type=Path, help="a folder for pictures of every page")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder)
        ids = fill_tasks(store) | fill(store)
        with (
            server(f"sqlite:///{store}/mlflow.db", store / "home") as address,
            sync_playwright() as playwright,
        ):
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
            pages = (every_page if options.look else manual_pages)(ids)
            if unknown := set(options.names) - set(pages):
                parser.error(f"no picture is called {', '.join(unknown)}: {', '.join(pages)}.")
            pages = {n: page for n, page in pages.items() if n in (options.names or pages)}
            if options.look:
                take_looks(browser, address, pages, options.look)
            else:
                take_manual(browser, address, pages)
            browser.close()


if __name__ == "__main__":
    main()
