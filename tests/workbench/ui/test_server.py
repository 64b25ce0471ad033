"""What the server answers beside Streamlit."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from workbench.ui.server import open_first_page


@pytest.mark.parametrize(
    ("query", "to"), [("", "./"), ("q=a%20%3E%201&page=2", "./?q=a%20%3E%201&page=2")]
)
def test_the_first_page_keeps_its_query(query: str, to: str) -> None:
    scope = {"type": "http", "method": "GET", "path": "/runs", "headers": [], "server": ("h", 80)}
    answer = open_first_page(Request(scope | {"query_string": query.encode()}))
    assert answer.status_code == 307 and answer.headers["location"] == to
