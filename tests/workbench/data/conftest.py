"""Spark for the tests of data: that of the shared session."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from workbench.cluster import Session


@pytest.fixture(scope="session")
def spark(session: Session) -> SparkSession:
    return session.spark
