"""Digits as a person has them in Spark."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from workbench.cluster import Session


@pytest.fixture(scope="session")
def spark(session: Session) -> SparkSession:
    return session.spark


@pytest.fixture(scope="module")
def digits(spark: SparkSession) -> Any:
    """id, image (64 bytes), label (double), parity (string); train and test."""
    from sklearn.datasets import load_digits

    found = load_digits()
    rows = [
        (
            i,
            bytearray(image.astype(np.uint8).tobytes()),
            float(label),
            ["even", "odd"][label % 2],
        )
        for i, (image, label) in enumerate(zip(found.images, found.target, strict=True))
    ]
    df = spark.createDataFrame(rows, "id int, image binary, label double, parity string")
    return [df.where("id % 5 > 0"), df.where("id % 5 = 0")]
