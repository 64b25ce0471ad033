"""Spark for the tests of data: that of the shared session, or a plain local one."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from workbench.cluster import Session


if os.environ.get("WORKBENCH_TEST_SPARK") == "local":  # no Ray: seconds instead of a minute

    @pytest.fixture(scope="session")
    def spark() -> Iterator[SparkSession]:
        from pyspark.sql import SparkSession

        from workbench.cluster.java import find_java

        find_java().use()
        os.environ["PYSPARK_PYTHON"] = sys.executable
        settings = {
            "spark.ui.enabled": "false",
            "spark.ui.showConsoleProgress": "false",
            "spark.sql.shuffle.partitions": "2",
            "spark.sql.session.timeZone": "UTC",
        }
        local = SparkSession.builder.master("local[2]").config(map=settings).getOrCreate()
        yield local
        local.stop()

else:

    @pytest.fixture(scope="session")
    def spark(session: Session) -> SparkSession:
        return session.spark
