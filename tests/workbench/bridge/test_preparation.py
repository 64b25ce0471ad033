"""DataFrame -> Ray -> tensors, on a real Spark and Ray, and the decoding of blocks without them."""

from __future__ import annotations

import hashlib
import itertools
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nets.spec import TensorSpec
from workbench.bridge.arrays import gather_split, gather_splits, to_arrays
from workbench.errors import DataError

SPEC = TensorSpec(kind="image", shape=(1, 2, 3), dtype="uint8")


def block(rows: list[tuple[str, str, int]], spec: TensorSpec = SPEC) -> pa.Table:
    """Rows of (split, key, label) with features that follow from the key."""
    return pa.table(
        {
            "split": pa.array([split for split, _, _ in rows], pa.string()),
            "key": pa.array([key for _, key, _ in rows], pa.string()),
            "label": pa.array([label for _, _, label in rows], pa.int64()),
            "features": pa.array([features_of(key, spec) for _, key, _ in rows], pa.binary()),
        }
    )


def features_of(key: str, spec: TensorSpec = SPEC) -> bytes:
    return hashlib.shake_128(key.encode()).digest(spec.num_bytes)


def test_a_block_becomes_an_array_without_a_copy() -> None:
    table = block([("train", f"k{i}", i) for i in range(5)])
    features = to_arrays(table, SPEC)["features"]
    assert features.shape == (5, 1, 2, 3)
    assert features[3].tobytes() == features_of("k3")
    buffer = table["features"].chunk(0).buffers()[2]
    address = features.__array_interface__["data"][0]
    assert buffer.address <= address < buffer.address + buffer.size


def test_a_slice_of_a_block_starts_where_it_should() -> None:
    table = block([("train", f"k{i}", i) for i in range(9)]).slice(4, 3)
    features = to_arrays(table, SPEC)["features"]
    assert [row.tobytes() for row in features] == [features_of(f"k{i}") for i in (4, 5, 6)]


@pytest.mark.parametrize("content", [b"short", None])
def test_a_sample_of_the_wrong_size_is_refused_with_both_sizes(content: bytes | None) -> None:
    table = pa.table({"features": pa.array([bytes(6), content], pa.binary())})
    with pytest.raises(DataError, match=r"must be 6 bytes \(\(1, 2, 3\) uint8\), got one of"):
        to_arrays(table, SPEC)


def test_vector_targets_become_a_matrix() -> None:
    label = pa.array([[1.0, 2.0], [3.0, 4.0]], pa.list_(pa.float32()))
    table = pa.table({"features": pa.array([bytes(6)] * 2, pa.binary()), "label": label})
    assert to_arrays(table, SPEC)["label"].tolist() == [[1.0, 2.0], [3.0, 4.0]]


@given(
    names=st.lists(st.uuids().map(str), min_size=1, max_size=40),
    cuts=st.lists(st.integers(0, 40), max_size=3),
)
def test_a_split_is_the_same_however_its_rows_were_partitioned(
    names: list[str], cuts: list[int]
) -> None:
    rows = [("train", key, i) for i, key in enumerate(names)]
    bounds = [0, *sorted(cuts), 40]
    parts = [block(rows[low:high]) for low, high in itertools.pairwise(bounds)]
    together = gather_split(SPEC, [block(rows)])
    apart = gather_split(SPEC, parts)
    assert together.keys() == apart.keys()
    assert all(np.array_equal(together[name], apart[name]) for name in together)
    assert together["key"].tolist() == sorted(names)


def test_splits_are_gathered_one_after_another_from_tables_and_files(tmp_path: Path) -> None:
    train = block([("train", "b", 1), ("train", "a", 0)])
    test = block([("test", "c", 2)])
    path = str(tmp_path / "test.arrow")
    with pa.ipc.new_file(path, test.schema) as writer:
        writer.write_table(test)
    first, second, end = gather_splits([1, 1], SPEC, train, path)
    assert first is not None and first["label"].tolist() == [0, 1]
    assert second is not None and second["label"].tolist() == [2]
    assert second["features"].tobytes() == features_of("c")
    assert end is None


def test_float_samples_keep_their_values() -> None:
    spec = TensorSpec(kind="series", shape=(2, 2))
    values = np.arange(8, dtype=np.float32).reshape(2, 2, 2)
    table = pa.table({"features": pa.array([row.tobytes() for row in values], pa.binary())})
    assert np.array_equal(to_arrays(table, spec)["features"], values)
