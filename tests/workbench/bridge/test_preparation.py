"""Canonical Arrow blocks as arrays, and as the files of a split."""

from __future__ import annotations

import hashlib
import itertools
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nets.spec import TensorSpec
from workbench.bridge.arrays import Arrays, to_arrays
from workbench.bridge.store import open_columns, read_keys, write_split
from workbench.errors import DataError

SPEC = TensorSpec(kind="image", shape=(1, 2, 3), dtype="uint8")


def block(rows: list[tuple[str, int]], spec: TensorSpec = SPEC) -> pa.Table:
    """Rows of (key, label) with features that follow from the key."""
    return pa.table(
        {
            "key": pa.array([key for key, _ in rows], pa.string()),
            "label": pa.array([label for _, label in rows], pa.int64()),
            "features": pa.array([features_of(key, spec) for key, _ in rows], pa.binary()),
        }
    )


def features_of(key: str, spec: TensorSpec = SPEC) -> bytes:
    return hashlib.shake_128(key.encode()).digest(spec.num_bytes)


def test_a_block_becomes_an_array_without_a_copy() -> None:
    table = block([(f"k{i}", i) for i in range(5)])
    features = to_arrays(table, SPEC)["features"]
    assert features.shape == (5, 1, 2, 3)
    assert features[3].tobytes() == features_of("k3")
    buffer = table["features"].chunk(0).buffers()[2]
    address = features.__array_interface__["data"][0]
    assert buffer.address <= address < buffer.address + buffer.size


def test_a_slice_of_a_block_starts_where_it_should() -> None:
    table = block([(f"k{i}", i) for i in range(9)]).slice(4, 3)
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


def written(blocks: list[pa.Table | str], *, sort: bool) -> Arrays:
    """What is read back, in the order of the rows."""
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / "train"
        stored = write_split(folder, blocks, SPEC, sort=sort)
        samples, others, index = open_columns(folder, stored)
        columns = {"features": samples.values} | others
        rows = slice(None) if index is None else index
        assert (index is None) == sort
        return {name: values[rows].copy() for name, values in columns.items()} | {
            "key": read_keys(folder)
        }


@given(
    names=st.lists(st.uuids().map(str), min_size=1, max_size=40),
    cuts=st.lists(st.integers(0, 40), max_size=3),
    sort=st.booleans(),
)
def test_a_split_is_the_same_however_its_rows_were_partitioned_and_written(
    names: list[str], cuts: list[int], sort: bool
) -> None:
    rows = [(key, i) for i, key in enumerate(names)]
    bounds = [0, *sorted(cuts), 40]
    parts = [block(rows[low:high]) for low, high in itertools.pairwise(bounds)]
    together = written([block(rows)], sort=True)
    apart = written(list(parts), sort=sort)
    assert together.keys() == apart.keys()
    assert all(np.array_equal(together[name], apart[name]) for name in together)
    assert together["key"].tolist() == sorted(names)
    assert [sample.tobytes() for sample in apart["features"]] == list(
        map(features_of, sorted(names))
    )


def test_files_and_tables_are_written_alike(tmp_path: Path) -> None:
    path = str(tmp_path / "rows.arrow")
    rows = block([("c", 2), ("b", 1)])
    with pa.ipc.new_file(path, rows.schema) as writer:
        writer.write_table(rows)
    assert written([path, block([("a", 0)])], sort=False)["label"].tolist() == [0, 1, 2]


def test_float_samples_keep_their_values() -> None:
    spec = TensorSpec(kind="series", shape=(2, 2))
    values = np.arange(8, dtype=np.float32).reshape(2, 2, 2)
    table = pa.table({"features": pa.array([row.tobytes() for row in values], pa.binary())})
    assert np.array_equal(to_arrays(table, spec)["features"], values)
