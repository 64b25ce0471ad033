"""Makes the manual's pictures from the real UI: `python docs/manual/pictures.py`.

Small nets are trained in this process, the UI is started on their store, and Chromium takes each
picture twice: `docs/pictures/NAME.png` in the light and `NAME-dark.png` in the dark.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.workbench.ui.browser import ARGUMENTS, CHROMIUM, Window, server  # noqa: E402
from tests.workbench.ui.fill import fill  # noqa: E402
from tests.workbench.ui.tasks import fill_tasks  # noqa: E402

FOLDER = ROOT / "docs" / "pictures"
WIDTH, HEIGHT = 1280, 800


def pages(ids: dict[str, str]) -> dict[str, tuple[str, dict[str, str]]]:
    """Name of a picture to the page and what its address says."""
    cnn = {"run": ids["cnn"]}
    both = {"runs": f"{ids['cnn']},{ids['cnn_tanh']}"}
    return {
        "runs": ("", {}),
        "groups": ("", {"group": "net.activation"}),
        "sweep": ("sweep", {"run": ids["sweep"]}),
        "run": ("run", cnn),
        "evaluation": ("run", cnn | {"part": "Evaluation"}),
        "forecast": ("run", {"run": ids["forecast"], "part": "Evaluation"}),
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


def take(browser: Browser, address: str, ids: dict[str, str], scheme: str, only: list[str]) -> None:
    """All pictures in one colour scheme."""
    context = browser.new_context(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme=scheme)
    window = Window(context, address)
    for name, (page, query) in pages(ids).items():
        if only and name not in only:
            continue
        window.open(page, **query).check()
        content = window.page.screenshot(animations="disabled")
        path = FOLDER / f"{name}{'-dark' if scheme == 'dark' else ''}.png"
        # 128 colours: a third of the size, and no difference to be seen
        picture = Image.open(io.BytesIO(content)).convert("RGB").quantize(128)
        picture.save(path, optimize=True)
        print(f"{path.relative_to(ROOT)}  {path.stat().st_size // 1024} kB")
    context.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("names", nargs="*", help="pictures to make; none: all")
    only = parser.parse_args().names
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder)
        ids = fill_tasks(store) | fill(store)
        with (
            server(f"sqlite:///{store}/mlflow.db", store / "home") as address,
            sync_playwright() as playwright,
        ):
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
            for scheme in ("light", "dark"):
                take(browser, address, ids, scheme, only)
            browser.close()


if __name__ == "__main__":
    main()
