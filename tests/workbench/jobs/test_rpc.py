"""The socket between the bench and its clients."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from workbench.errors import ClusterError, WorkbenchError
from workbench.jobs.rpc import SocketServer, call


def answer(request: dict[str, Any]) -> dict[str, Any]:
    if "fail" in request:
        raise ValueError(request["fail"])
    return {"request": request}


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    # Longer than the 107 bytes that the kernel takes for a socket's path.
    long = tmp_path / ("a" * 100) / ("b" * 100)
    long.mkdir(parents=True)
    server = SocketServer(long, answer)
    yield long
    server.close()


def test_a_question_is_answered(folder: Path) -> None:
    assert call(folder, {"do": "x", "text": "é" * 100_000})["request"]["do"] == "x"


def test_only_this_user_may_connect(folder: Path) -> None:
    assert stat.S_IMODE((folder / "socket").stat().st_mode) == 0o600


def test_a_refusal_is_an_error_with_its_message_and_ends_nothing(folder: Path) -> None:
    with pytest.raises(WorkbenchError, match="not so"):
        call(folder, {"fail": "not so"})
    assert call(folder, {})["request"] == {}


def test_no_bench_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="does not answer"):
        call(tmp_path, {})
