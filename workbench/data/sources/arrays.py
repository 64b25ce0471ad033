"""Arrays of the driver as rows in Spark."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nets.spec import TensorSpec
from workbench.data.table import Table

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SCHEMA = "features binary, label long, key string, split string"


def from_arrays(
    spark: SparkSession,
    samples: NDArray[Any],
    labels: NDArray[np.int64],
    keys: Sequence[str],
    spec: TensorSpec,
    names: tuple[str, ...],
    splits: Sequence[str | None] | None = None,
) -> Table:
    """A table of samples that the driver already holds; for thousands of rows, not millions.

    Args:
        samples: (n, *spec.shape) of spec.dtype.
        splits: "test" where the source has a test set of its own, else None.
    """
    rows = [
        (sample.tobytes(), int(label), key, split)
        for sample, label, key, split in zip(
            np.ascontiguousarray(samples), labels, keys, splits or [None] * len(keys), strict=True
        )
    ]
    frame = spark.createDataFrame(rows, SCHEMA)
    return Table(frame=frame, spec=spec, labels=names, num_outputs=len(names))
