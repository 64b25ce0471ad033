"""The bridge in the shared session: what the stack does to a DataFrame on its way to a tensor."""

from __future__ import annotations

import dataclasses
import os
import socket
import tempfile
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import functions as F

from nets.spec import TensorSpec
from workbench.bridge import Prepared, fetch, kept, preparation, shards, spark_writer
from workbench.bridge.preparation import write_shared, write_store
from workbench.cluster import Session
from workbench.errors import DataError
from workbench.home import prepared_folder

pytestmark = pytest.mark.cluster

SPEC = TensorSpec(kind="vector", shape=(8,), dtype="float32")

COUNTS = {"train": 750, "test": 250}
IDS = {"train": [i for i in range(1000) if i % 4], "test": list(range(0, 1000, 4))}


def frame(session: Session, rows: int) -> Any:
    """Row i holds the float i eight times, as bytes; every fourth is a test row."""
    spark = session.spark  # PySpark's functions need one that runs
    little_endian = F.udf(lambda i: np.full(8, i, "<f4").tobytes(), "binary")
    return spark.range(rows, numPartitions=3).select(
        little_endian("id").alias("features"),
        F.col("id").alias("label"),
        F.when(F.col("id") % 4 == 0, "test").otherwise("train").alias("split"),
        F.format_string("%08d", "id").alias("key"),
    )


def write(session: Session, table: Any, spec: TensorSpec, counts: dict[str, int]) -> Prepared:
    return write_store(table, spec, counts, empty(spec))


def empty(spec: TensorSpec) -> Prepared:
    """Everything but the splits, under a new fingerprint."""
    return Prepared(
        splits={},
        spec=spec,
        labels=None,
        num_outputs=1,
        statistics=None,
        class_counts=None,
        fingerprint=uuid.uuid4().hex[:16],
    )


@pytest.mark.parametrize("sorted_bytes", [2**30, 0])
def test_every_row_arrives_once_in_its_split(
    session: Session, sorted_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparation, "SORTED_BYTES", sorted_bytes)
    splits = write(session, frame(session, 1000), SPEC, COUNTS).splits
    assert {name: split.num_rows for name, split in splits.items()} == COUNTS
    arrays = splits["test"].read()
    assert arrays["label"].tolist() == list(range(0, 1000, 4))
    assert np.array_equal(arrays["features"], np.repeat(arrays["label"], 8).reshape(-1, 8))
    with splits["train"].open() as rows:
        assert (rows.index is None) == bool(sorted_bytes)


def test_sparks_tasks_write_the_shards_that_follow_from_the_keys(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "SHARD_BYTES", 100 * SPEC.num_bytes)
    keys = {name: np.array([f"{i:08d}" for i in ids]) for name, ids in IDS.items()}
    facts = empty(SPEC)
    prepared = write_shared(str(tmp_path), frame(session, 1000), SPEC, COUNTS, facts)
    for name, split in prepared.splits.items():
        assert isinstance(split.stored, shards.StoredShards)
        arrays = split.read()
        table = pa.table({"key": keys[name]})
        expected = [
            part["key"].to_pylist() for _, part in shards.spread(table, COUNTS[name] // 100 + 1)
        ]
        assert [shard.rows for shard in split.stored.shards] == [len(part) for part in expected]
        assert arrays["key"].tolist() == [key for part in expected for key in part]
        assert arrays["label"].tolist() == [int(key) for key in arrays["key"]]
        assert np.array_equal(arrays["features"], np.repeat(arrays["label"], 8).reshape(-1, 8))
    assert prepared.dataset("train").count() == 750
    with pytest.raises(
        DataError, match=r"Spark counted 751 rows of the train split and then gave 750"
    ):
        write_shared(
            str(tmp_path), frame(session, 1000), SPEC, COUNTS | {"train": 751}, empty(SPEC)
        )
    assert len(list(tmp_path.glob("prepared/*/*/train"))) == 1, "what failed is removed"


def test_a_dataset_of_ray_has_every_row(session: Session) -> None:
    prepared = write(session, frame(session, 1000), SPEC, COUNTS)
    dataset = prepared.dataset("train")
    assert dataset.count() == 750

    def add_up(batch: dict[str, Any]) -> dict[str, Any]:
        return {"sum": batch["features"].sum(axis=1), "label": batch["label"]}

    rows = dataset.map_batches(add_up).take_all()
    assert sorted(row["label"] for row in rows) == [i for i in range(1000) if i % 4]
    assert all(row["sum"] == 8 * row["label"] for row in rows)


def test_a_machine_without_the_store_gets_it_through_ray_once(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    split = write(session, frame(session, 1000), SPEC, COUNTS).splits["train"]
    expected = split.read()
    here = split.origin.folder.parent
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path))  # what another machine has

    def is_store(folder: Path, store_id: str) -> bool:
        return folder.parent != here and real(folder, store_id)

    real = fetch._is_store
    monkeypatch.setattr(fetch, "_is_store", is_store)
    for _ in range(2):
        arrays = split.read()
        assert all(np.array_equal(arrays[name], expected[name]) for name in expected)
    own = tmp_path / "prepared" / split.origin.folder.name
    assert [path.name for path in own.parent.glob("[!.]*")] == [own.name]
    gone = dataclasses.replace(split.origin, id="0" * 32)
    with pytest.raises(DataError, match=r"is gone, or is on a machine that .* does not reach"):
        fetch.fetch(gone)


def test_neither_spark_nor_the_disk_keeps_a_copy(session: Session) -> None:
    before = _cached(session)
    write(session, frame(session, 1000), SPEC, COUNTS)
    assert _cached(session) == before
    left = f"workbench-{socket.gethostname()}-{os.getpid()}-*"
    assert not [*spark_writer.MEMORY.glob(left), *Path(tempfile.gettempdir()).glob(left)]
    assert not list(prepared_folder().glob(".part-*"))


def _cached(session: Session) -> int:
    return int(session.spark.sparkContext._jsc.getPersistentRDDs().size())


def test_a_source_that_gives_other_rows_each_time_is_refused(session: Session) -> None:
    with pytest.raises(DataError, match=r"counted 749 rows of the train split and then gave 750"):
        write(session, frame(session, 1000), SPEC, COUNTS | {"train": 749})


def test_a_sample_of_the_wrong_size_is_named_and_nothing_is_left(session: Session) -> None:
    spec = TensorSpec(kind="vector", shape=(9,), dtype="float32")
    with pytest.raises(DataError, match=r"must be 36 bytes .* got one of 32"):
        write(session, frame(session, 1000), spec, COUNTS)
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
        prepared = write(session, big, spec, {"train": 150})
        with prepared.splits["train"].open() as rows:
            assert rows.labels().tolist() == list(range(150))
            assert rows.samples.values.shape == (150, 1 << 18)
        kept.remove(prepared.fingerprint)
