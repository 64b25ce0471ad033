"""One Ray and one Spark for all tests that need them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from workbench.cluster import Bench


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    from workbench.cluster import ClusterConfig
    from workbench.cluster import bench as open_bench

    with open_bench(ClusterConfig(), home=tmp_path_factory.mktemp("home")) as opened:
        yield opened
