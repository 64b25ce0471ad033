"""The UI as `streamlit run` starts it: the app, and its own address in the page that it serves.

A browser that opens a page below the root (`/run`) would look for the server there first, and print
two errors 404 into its console. `window.__streamlit.BACKEND_BASE_URL` tells it where the server is.
Streamlit serves the first page at `/` alone, and answers "Page not found" at its name, `/runs`.
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from workbench.ui import garbage, manual

_SCRIPT = (
    b"<head><script>window.__streamlit = Object.assign({BACKEND_BASE_URL: "
    b'window.location.origin + "/"}, window.__streamlit)</script>'
)


class AddressInPage:
    """Adds the script to HTML pages, the answers to GET requests that a browser shows."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _wants_page(scope):
            await self.app(scope, receive, send)
            return
        # A compressed page could not be changed
        plain = [pair for pair in scope["headers"] if pair[0] != b"accept-encoding"]
        start: Message = {}
        body = b""

        async def change(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start":
                start = message
                return
            body += message.get("body", b"")
            if message.get("more_body"):
                return
            changed = body.replace(b"<head>", _SCRIPT, 1)
            sizes = {b"content-length": str(len(changed)).encode()}
            if changed != body:  # a page kept by its old etag would be without the script
                start["headers"] = [
                    (name, sizes.get(name, value))
                    for name, value in start["headers"]
                    if name not in (b"etag", b"last-modified")
                ]
            await send(start)
            await send({"type": "http.response.body", "body": changed})

        await self.app({**scope, "headers": plain}, receive, change)


def _wants_page(scope: Scope) -> bool:
    if scope["path"].startswith(f"{manual.ADDRESS}/"):
        return False
    accepted = dict(scope["headers"]).get(b"accept", b"")
    return scope["method"] == "GET" and b"text/html" in accepted


def open_first_page(request: Request) -> RedirectResponse:
    """The first page by its name, with the same query. Relative: a proxy may serve it below a path."""
    query = request.url.query
    return RedirectResponse(f"./?{query}" if query else "./")


app = st.App(
    str(Path(__file__).with_name("app.py")),
    lifespan=garbage.leave_out_modules,
    middleware=[Middleware(AddressInPage)],
    routes=[Route("/runs", open_first_page), *manual.routes(manual.find_folder())],
)
