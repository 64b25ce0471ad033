"""One Ray and one Spark for all tests that need them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from workbench.cluster import Session


@pytest.fixture(scope="session")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    from workbench.cluster import ClusterConfig, open_session

    with open_session(ClusterConfig(), home=tmp_path_factory.mktemp("home")) as opened:
        yield opened
