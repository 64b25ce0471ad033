"""Figures of the training split, summed where the rows are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from nets.spec import TensorSpec
from nets.statistics import Statistics, Sums
from workbench.data.table import Table

if TYPE_CHECKING:
    import pyarrow as pa

    from nets.prepare import PreparationConfig


def fit_statistics(table: Table, preparation: PreparationConfig) -> Statistics | None:
    """What the preparation needs, from the training split only; None where it needs nothing.

    Each task sums its own rows; a few kilobytes a partition (features squared for pca and zca)
    travel to the driver.
    """
    from pyspark.sql import functions as F

    if preparation.method == "none" or table.spec.kind == "tokens":
        return None
    spec, outer = table.spec, preparation.needs_covariance
    columns = ["features"] + (["length"] if "length" in table.frame.columns else [])

    def sums(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        yield partial_sums(batches, spec, outer)

    rows = table.frame.where(F.col("split") == "train").select(*columns)
    total = Sums(int(np.prod(spec.shape)), outer=outer)
    for row in rows.mapInArrow(sums, "sums binary").collect():
        total.merge(Sums.from_bytes(bytes(row["sums"])))
    return total.statistics()


def partial_sums(
    batches: Iterator[pa.RecordBatch], spec: TensorSpec, outer: bool
) -> pa.RecordBatch:
    """One row with the sums of a partition, as `Sums.to_bytes`."""
    import pyarrow as pa

    sums = Sums(int(np.prod(spec.shape)), outer=outer)
    for batch in batches:
        if batch.num_rows:
            raw = b"".join(value.as_buffer() for value in batch.column("features"))
            sums.add(np.frombuffer(raw, spec.dtype).reshape(batch.num_rows, -1))
    return pa.RecordBatch.from_arrays([pa.array([sums.to_bytes()], pa.binary())], ["sums"])
