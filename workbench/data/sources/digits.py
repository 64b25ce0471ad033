"""scikit-learn's handwritten digits: 1,797 pictures of 8x8 grey values from 0 to 16.

Source: UCI "Optical Recognition of Handwritten Digits" (Alpaydin & Kaynak 1998), its test part.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from nets.config import config
from nets.spec import TensorSpec
from workbench.data.canonical import CanonicalFrame
from workbench.data.size import Size
from workbench.data.sources.arrays import from_blocks

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@config
class DigitsSource:
    """1,797 handwritten digits of 8x8 grey pixels, shipped with scikit-learn (UCI optdigits)."""

    kind: Literal["digits"] = "digits"
    layout: Literal["image", "series"] = "image"
    """image: (1, 8, 8) uint8; series: 8 rows of 8 pixels, read top to bottom, as (8, 8) float32."""


def read(source: DigitsSource, spark: SparkSession) -> CanonicalFrame:
    """Pictures (1, 8, 8) uint8, or the same row by row as a series (8 steps, 8 values) float32."""
    from sklearn.datasets import load_digits

    values, labels = load_digits(return_X_y=True)
    spec = _spec(source)
    samples = values.reshape(-1, *spec.shape).astype(spec.dtype)
    keys = [f"digit-{i:04d}" for i in range(len(labels))]
    names = tuple(str(i) for i in range(10))
    block = {"features": samples, "label": labels.astype(np.int64), "key": keys, "split": None}
    return from_blocks(spark, [block], spec, names)


def size(source: DigitsSource) -> Size:
    """1,797 rows of 10 classes."""
    return Size(rows=1_797, spec=_spec(source), num_outputs=10)


def _spec(source: DigitsSource) -> TensorSpec:
    if source.layout == "image":
        return TensorSpec(kind="image", shape=(1, 8, 8), dtype="uint8")
    return TensorSpec(kind="series", shape=(8, 8))
