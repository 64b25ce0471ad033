"""The bridge in the shared session: what the stack does to a DataFrame on its way to a tensor."""

from __future__ import annotations

import dataclasses
import os
import socket
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyspark.sql import functions as F

from nets.spec import TensorSpec
from workbench.bridge import convert, spark_writer, stream, to_batch
from workbench.cluster import Session
from workbench.data.config import DataConfig
from workbench.errors import DataError

pytestmark = pytest.mark.cluster

SPEC = TensorSpec(kind="vector", shape=(8,), dtype="float32")

COUNTS = {"train": 750, "test": 250}


def frame(session: Session, rows: int) -> Any:
    """Row i holds the float i eight times, as bytes; every fourth is a test row."""
    little_endian = F.udf(lambda i: np.full(8, i, "<f4").tobytes(), "binary")
    return session.spark.range(rows, numPartitions=3).select(
        little_endian("id").alias("features"),
        F.col("id").alias("label"),
        F.when(F.col("id") % 4 == 0, "test").otherwise("train").alias("split"),
        F.format_string("%08d", "id").alias("key"),
    )


def test_every_row_arrives_once_in_its_split(session: Session) -> None:
    splits = convert(frame(session, 1000), SPEC, DataConfig(), counts=COUNTS)
    assert {name: len(split.read()["label"]) for name, split in splits.items()} == COUNTS
    arrays = splits["test"].read()
    assert arrays["label"].tolist() == list(range(0, 1000, 4))
    assert np.array_equal(arrays["features"], np.repeat(arrays["label"], 8).reshape(-1, 8))


def test_reading_a_split_maps_the_object_store(session: Session) -> None:
    split = convert(frame(session, 1000), SPEC, DataConfig(), counts=COUNTS)["train"]
    first, second = split.read()["features"], split.read()["features"]
    assert first.__array_interface__["data"] == second.__array_interface__["data"]


def test_data_over_the_budget_streams_with_every_row_once(session: Session) -> None:
    config = dataclasses.replace(DataConfig(), resident_bytes=0)
    splits = convert(frame(session, 1000), SPEC, config, counts=COUNTS)
    assert splits["train"].arrays is None
    assert splits["train"].dataset is not None
    batches = list(stream(splits["train"].dataset, SPEC, 64))
    labels = sorted(int(label) for batch in batches for label in batch.label)
    assert labels == [i for i in range(1000) if i % 4]
    shuffled = list(stream(splits["train"].dataset, SPEC, 64, shuffle_seed=1))
    assert {len(batch.label) for batch in shuffled} == {64}


def test_neither_spark_nor_the_disk_keeps_a_copy(session: Session) -> None:
    before = _cached(session)
    convert(frame(session, 1000), SPEC, DataConfig(), counts=COUNTS)
    assert _cached(session) == before
    left = f"workbench-{socket.gethostname()}-{os.getpid()}-*"
    assert not [*spark_writer.MEMORY.glob(left), *Path(tempfile.gettempdir()).glob(left)]


def _cached(session: Session) -> int:
    return int(session.spark.sparkContext._jsc.getPersistentRDDs().size())


def test_a_source_that_gives_other_rows_each_time_is_refused(session: Session) -> None:
    with pytest.raises(DataError, match=r"counted 749 rows of the train split and then gave 750"):
        convert(frame(session, 1000), SPEC, DataConfig(), counts=COUNTS | {"train": 749})


def test_a_sample_of_the_wrong_size_is_named_and_nothing_is_left(session: Session) -> None:
    spec = TensorSpec(kind="vector", shape=(9,), dtype="float32")
    with pytest.raises(DataError, match=r"must be 36 bytes .* got one of 32"):
        convert(frame(session, 1000), spec, DataConfig(), counts=COUNTS)
    left = f"workbench-{socket.gethostname()}-{os.getpid()}-*"
    assert not list(spark_writer.MEMORY.glob(left))


def test_more_data_than_the_executors_heap_holds_twice_over(session: Session) -> None:
    """Conversions of 150 MB in a heap of 1 GB, repeatedly, two partitions of 75 MB each."""
    spec = TensorSpec(kind="vector", shape=(1 << 18,), dtype="float32")
    big = session.spark.range(150, numPartitions=2).select(
        F.expr(f"cast(repeat(char(65 + id % 26), {spec.num_bytes}) as binary)").alias("features"),
        F.col("id").alias("label"),
        F.lit("train").alias("split"),
        F.format_string("%08d", "id").alias("key"),
    )
    for _ in range(3):
        split = convert(big, spec, DataConfig(), counts={"train": 150})["train"]
        batch = to_batch(split.read())
        assert batch.label.tolist() == list(range(150))
        assert batch.features.shape == (150, 1 << 18)
        del batch, split
