"""One Ray and one Spark for all tests that need them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.workbench.s3 import S3
    from workbench.cluster import Session


@pytest.fixture(scope="session")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    from workbench.cluster import ClusterConfig, open_session

    with open_session(ClusterConfig(), home=tmp_path_factory.mktemp("home")) as opened:
        yield opened


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3]:
    from tests.workbench.s3 import start_s3

    with start_s3(monkeypatch) as server:
        yield server
