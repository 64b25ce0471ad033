"""A real UI server and a real headless Chromium for it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

from playwright.sync_api import (
    BrowserContext,
    ConsoleMessage,
    Locator,
    Page,
    Response,
    TimeoutError,
    WebSocket,
)

import workbench.ui

ROOT = Path(__file__).parents[3]
APP = Path(workbench.ui.__file__).parent / "server.py"
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# Whether a heading is drawn, nothing is still loaded, and the script has not run for a moment
_IDLE = """() => {
  const app = document.querySelector('[data-testid="stApp"]');
  const loading = document.querySelector('[data-testid="stSkeleton"]');
  if (app?.dataset.testScriptState !== "notRunning" || !document.querySelector("h2") || loading) {
    window.idle_since = null;
    return false;
  }
  window.idle_since ??= performance.now();
  return performance.now() - window.idle_since > 150;
}"""

# Texts that reach over an edge of what holds them. A grid draws its cells itself, and scrolls.
_CUT_TEXTS = """() => {
  const seen = (e) => e.checkVisibility({opacityProperty: true, visibilityProperty: true});
  const main = document.querySelector('[data-testid="stMain"]');
  const cut = main.scrollWidth > main.clientWidth + 1 ? ["the page itself"] : [];
  for (const element of document.querySelectorAll('[data-testid="stApp"] *')) {
    const own = [...element.childNodes].filter((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own.length || element.closest("canvas, style, [aria-hidden=true]") || !seen(element)) continue;
    const range = document.createRange();
    range.selectNodeContents(element);
    const text = range.getBoundingClientRect();
    for (let e = element; e.dataset?.testid !== "stApp"; e = e.parentElement) {
      const box = e.getBoundingClientRect();
      const holds = getComputedStyle(e).overflowX !== "visible" || e.tagName === "BUTTON";
      if (!holds || box.width < 3) continue;
      if (text.right > box.right + 1 || text.left < box.left - 1) {
        cut.push(`${element.textContent.trim().slice(0, 60)} in ${e.dataset?.testid || e.tagName}`);
        break;
      }
    }
  }
  return cut;
}"""


@contextmanager
def server(store: str, home: Path) -> Iterator[str]:
    """The UI on a free port of 127.0.0.1; its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    home.mkdir(parents=True, exist_ok=True)
    log = home / "ui.log"
    address = f"http://127.0.0.1:{port}"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", str(APP), f"--server.port={port}"],
            cwd=ROOT,
            env=os.environ | {"MLFLOW_TRACKING_URI": store, "WORKBENCH_HOME": str(home)},
            stdout=out,
            stderr=out,
        )
    try:
        _wait(address, process, log)
        yield address
    finally:
        process.terminate()
        process.wait(10)


def _wait(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        assert process.poll() is None, log.read_text()
        try:
            with urlopen(f"{address}/_stcore/health", timeout=2):
                return
        except (URLError, ConnectionError, TimeoutError):
            time.sleep(0.1)
    raise AssertionError(f"The UI did not start: {log.read_text()}")


_WCAG = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa")


class Window:
    """A browser window on the UI that remembers every error it saw."""

    def __init__(self, context: BrowserContext, address: str) -> None:
        self.page: Page = context.new_page()
        self.address = address
        self.errors: list[str] = []
        self.sent: list[int] = []
        """Sizes of the messages that the page has sent to the script."""
        self.page.on("websocket", self._watch_messages)
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.errors.append(f"page error: {error}"))
        self.page.on("response", self._response)

    def _console(self, message: ConsoleMessage) -> None:
        # Failed loads are judged by their address, in `_response`.
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            self.errors.append(message.text)

    def _watch_messages(self, socket: WebSocket) -> None:
        socket.on("framesent", lambda content: self.sent.append(len(content)))

    def _response(self, response: Response) -> None:
        if response.status >= 400:
            self.errors.append(f"{response.status} {response.url}")

    def open(self, page: str = "", **query: str) -> Window:
        self.page.goto(f"{self.address}/{page}" + (f"?{urlencode(query)}" if query else ""))
        return self._idle()

    def settled(self) -> Window:
        """After the script has run and everything it sent is drawn."""
        self.page.wait_for_timeout(250)  # a click is on its way: the script has not begun
        return self._idle()

    def _idle(self) -> Window:
        self.page.evaluate("window.idle_since = null")
        self.page.wait_for_function(_IDLE, timeout=60_000)
        return self

    def click_at(self, selector: str, x: float, y: float) -> None:
        """Click a point of something drawn on a canvas, whatever lies over it."""
        canvas = self.page.locator(selector).first
        self._wait_for(canvas)
        canvas.scroll_into_view_if_needed()
        box = canvas.bounding_box()
        assert box is not None
        self.page.mouse.click(box["x"] + x, box["y"] + y)

    def picture(self) -> str:
        """The first picture on the page, as its content."""
        return self.page.locator('[data-testid="stImage"] img').first.get_attribute("src") or ""

    def other_picture(self, before: str) -> str:
        """The first picture, once it is another one."""
        self.page.wait_for_function(
            "before => document.querySelector('[data-testid=\"stImage\"] img')?.src !== before",
            arg=before,
        )
        return self.settled().picture()

    def check(self) -> None:
        """No console error, no failed load, no exception on the page."""
        assert not self.errors, self.errors
        assert self.page.locator('[data-testid="stException"]').count() == 0, self.text()

    def shows(self, text: str) -> Window:
        """Once the text is on the page: a script that has begun again is not done at once."""
        self._wait_for(self.page.locator('[data-testid="stMain"]').get_by_text(text).first)
        return self.settled()

    def _wait_for(self, place: Locator) -> None:
        """Until it is drawn; where it is not, the failure says what the page shows instead."""
        try:
            place.wait_for(timeout=60_000)
        except TimeoutError as error:
            app = self.page.locator('[data-testid="stApp"]')
            state = app.get_attribute("data-test-script-state")
            says = f"The script is {state}. Errors: {self.errors}. The page shows:\n{self.text()}"
            raise AssertionError(f"{error}\n{says}") from error

    def check_fit(self) -> None:
        """No text is cut at its left or right, and the page does not scroll sideways."""
        cut = self.page.evaluate(_CUT_TEXTS)
        assert not cut, (self.page.url, cut)

    def check_labels(self) -> None:
        """Inputs have labels, and pictures have alternatives."""
        unnamed = self.page.evaluate(
            """() => [...document.querySelectorAll(
                 '[data-testid="stMain"] input:not([type=file]), [data-testid="stMain"] textarea')]
               .filter(e => e.offsetParent && !e.labels?.length && !e.getAttribute('aria-label')
                         && !e.getAttribute('aria-labelledby'))
               .map(e => e.outerHTML)"""
        )
        assert not unnamed, (self.page.url, unnamed)
        blind = self.page.evaluate(
            "[...document.querySelectorAll('[data-testid=\"stImage\"] img')]"
            ".filter(e => !e.alt).length"
        )
        assert blind == 0, self.page.url

    def check_access(self, *rules: str) -> None:
        """What axe finds of WCAG 2.2, levels A and AA; of some rules, only these."""
        from axe_playwright_python.sync_playwright import Axe

        only = (
            {"type": "rule", "values": list(rules)}
            if rules
            else {"type": "tag", "values": list(_WCAG)}
        )
        options = {"resultTypes": ["violations"], "runOnly": only}
        answer = Axe().run(self.page, options=options).response
        found = [
            f"{violation['id']}: {node['html'][:200]} {node['failureSummary']}"
            for violation in answer["violations"]
            for node in violation["nodes"]
        ]
        assert not found, (self.page.url, *found)

    def text(self) -> str:
        return self.page.locator('[data-testid="stMain"]').inner_text()


def open_window(browser: object, address: str, scheme: str = "light") -> Iterator[Window]:
    """A window that closes after the test."""
    context = browser.new_context(  # type: ignore[attr-defined]
        viewport={"width": 1400, "height": 900}, color_scheme=scheme
    )
    opened = Window(context, address)
    yield opened
    context.close()
