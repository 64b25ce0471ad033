"""What the server answers beside Streamlit."""

from __future__ import annotations

import asyncio
import gc
import sys
from types import ModuleType

import pytest
from starlette.requests import Request

from workbench.ui import garbage
from workbench.ui.server import app, open_first_page


@pytest.mark.parametrize(
    ("query", "to"), [("", "./"), ("q=a%20%3E%201&page=2", "./?q=a%20%3E%201&page=2")]
)
def test_the_first_page_keeps_its_query(query: str, to: str) -> None:
    scope = {"type": "http", "method": "GET", "path": "/runs", "headers": [], "server": ("h", 80)}
    answer = open_first_page(Request(scope | {"query_string": query.encode()}))
    assert answer.status_code == 307 and answer.headers["location"] == to


def test_what_pages_load_is_left_out_of_garbage_collection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(garbage, "_EVERY_S", 0)

    async def serve() -> list[int]:
        counts = []
        async with garbage.leave_out_modules(app):
            for name in ("", "loaded_by_a_page"):
                if name:
                    monkeypatch.setitem(sys.modules, name, ModuleType(name))
                for _ in range(5):
                    await asyncio.sleep(0)
                counts.append(gc.get_freeze_count())
        return counts

    try:
        first, second = asyncio.run(serve())
    finally:
        gc.unfreeze()
    assert 0 < first < second
    assert app._user_lifespan is garbage.leave_out_modules
