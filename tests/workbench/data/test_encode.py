"""Arrow batches into canonical rows: every kind of column, and what is wrong with a row."""

from __future__ import annotations

import base64
import io
import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from nets.spec import TensorSpec
from workbench.data import encode
from workbench.data.encode import Recipe, canonical_rows

GREY = TensorSpec(kind="image", shape=(1, 2, 3), dtype="uint8")
VECTOR = TensorSpec(kind="vector", shape=(3,))
TOKENS = TensorSpec(kind="tokens", shape=(4,), dtype="int32", vocabulary_size=10)
SERIES = TensorSpec(kind="series", shape=(3, 2))


def png(size: tuple[int, int] = (3, 2), value: Any = 7, mode: str = "L") -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size, value).save(buffer, "PNG")
    return buffer.getvalue()


def rows(
    encoding: Any, spec: TensorSpec, features: pa.Array, labels: Any = ("a", "b"), **columns: Any
) -> list[dict[str, Any]]:
    """The canonical rows of one batch; labels default to class a, keys count from k0."""
    size = len(features)
    batch = {
        "features": features,
        "label": pa.array(["a"] * size),
        "key": pa.array([f"k{i}" for i in range(size)]),
        "split": pa.nulls(size, pa.string()),
        **columns,
    }
    recipe = Recipe(encoding=encoding, spec=spec, labels=labels, num_outputs=len(labels or [0]))
    result = canonical_rows(iter([pa.RecordBatch.from_pydict(batch)]), recipe)
    return [row for part in result for row in part.to_pylist()]


def values(row: dict[str, Any], spec: TensorSpec) -> list[Any]:
    return np.frombuffer(row["features"], spec.dtype).reshape(spec.shape).tolist()


def test_pictures_and_pixels_of_the_right_size_are_both_taken() -> None:
    result = rows("pictures", GREY, pa.array([png(), bytes(range(6)), None, b"\xff\xd8\xff", b""]))
    assert [row["reason"] for row in result[:3]] == [None, None, "the picture is null"]
    assert result[3]["reason"] and result[4]["reason"] == "an empty file"
    assert result[0]["features"] == bytes([7] * 6)
    assert result[1]["features"] == bytes(range(6))


def test_pictures_in_base64() -> None:
    texts = [base64.b64encode(png()).decode(), "no base64 §", None]
    result = rows("pictures", GREY, pa.array(texts))
    assert result[0]["features"] == bytes([7] * 6)
    assert result[1]["reason"] == "text that is no picture in base64"
    assert result[2]["reason"] == "the picture is null"


STRUCT = pa.struct(
    {
        "origin": pa.string(),
        "height": pa.int32(),
        "width": pa.int32(),
        "nChannels": pa.int32(),
        "mode": pa.int32(),
        "data": pa.binary(),
    }
)


def struct(height: int, width: int, channels: int, data: bytes | None) -> dict[str, Any]:
    return dict(zip(STRUCT.names, ("o", height, width, channels, 0, data), strict=True))


def test_image_structs_are_blue_green_red_and_become_red_green_blue() -> None:
    spec = TensorSpec(kind="image", shape=(4, 1, 2), dtype="uint8")
    column = pa.array(
        [
            struct(1, 2, 4, bytes([1, 2, 3, 4, 5, 6, 7, 8])),
            struct(1, 2, 3, bytes([1, 2, 3, 5, 6, 7])),
            struct(1, 2, 1, bytes([9, 10])),
        ],
        STRUCT,
    )
    result = rows("structs", spec, column)
    assert values(result[0], spec) == [[[3, 7]], [[2, 6]], [[1, 5]], [[4, 8]]]
    assert values(result[1], spec) == [[[3, 7]], [[2, 6]], [[1, 5]], [[255, 255]]]
    assert values(result[2], spec) == [[[9, 10]], [[9, 10]], [[9, 10]], [[255, 255]]]


def test_image_structs_that_spark_could_not_decode_are_bad() -> None:
    column = pa.array([struct(-1, -1, -1, b""), None, struct(1, 2, 3, b"12345")], STRUCT)
    reasons = [row["reason"] for row in rows("structs", GREY, column)]
    assert reasons == [
        "0 bytes for -1x-1 pixels of -1 channels",
        "the picture is null",
        "5 bytes for 1x2 pixels of 3 channels",
    ]


def test_raw_samples_must_have_the_size_of_one() -> None:
    good = np.array([1, 2, 3], np.float32).tobytes()
    result = rows("raw", VECTOR, pa.array([good, good[:-1], None, good]))
    assert values(result[0], VECTOR) == values(result[3], VECTOR) == [1, 2, 3]
    assert result[1]["reason"] == "11 bytes, 12 are a sample (3,) float32"
    assert result[2]["reason"] == "the features are null"


def test_raw_samples_with_values_no_net_takes() -> None:
    odd = np.array([1, np.nan, 3], np.float32).tobytes()
    fine = np.array([1, 2, 3], np.float32).tobytes()
    result = rows("raw", VECTOR, pa.array([odd, fine]))
    assert [row["reason"] for row in result] == ["a feature that is null, NaN or infinite", None]


@pytest.mark.parametrize("odd", [None, math.nan, math.inf, 1e300])
def test_numbers_that_are_not_finite_are_bad(odd: float | None) -> None:
    result = rows("numbers", VECTOR, pa.array([[1.0, 2.0, 3.0], [1.0, odd, 3.0]]))
    assert values(result[0], VECTOR) == [1, 2, 3]
    assert result[1]["reason"] == "a feature that is null, NaN or infinite"


def test_vectors_of_another_size_are_bad() -> None:
    result = rows("numbers", VECTOR, pa.array([[1.0], None, [1.0, 2.0, 3.0]]))
    assert [row["reason"] for row in result] == [
        "1 numbers, 3 are a sample (3,)",
        "the features are null",
        None,
    ]


def test_short_token_lists_are_padded_and_keep_their_length() -> None:
    result = rows("numbers", TOKENS, pa.array([[5, 6], [1, 2, 3, 4], [], [1] * 5, [3, 10]]))
    assert values(result[0], TOKENS) == [5, 6, 0, 0]
    assert [row["length"] for row in result[:2]] == [2, 4]
    assert [row["reason"] for row in result[2:]] == [
        "0 numbers, at most 4 are a sample (4,)",
        "5 numbers, at most 4 are a sample (4,)",
        "a token id outside 0 to 10 - 1",
    ]


def test_series_are_padded_by_whole_steps() -> None:
    result = rows("numbers", SERIES, pa.array([[1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0]]))
    assert values(result[0], SERIES) == [[1, 2], [3, 4], [0, 0]]
    assert result[0]["length"] == 2
    assert result[1]["reason"] == "3 numbers, at most 6 are a sample (3, 2)"


@pytest.mark.parametrize("odd", [-1.0, 256.0, 0.5, math.nan])
def test_pixels_are_whole_numbers_of_a_byte(odd: float) -> None:
    result = rows("numbers", GREY, pa.array([[0.0, 255.0, 1.0, 2.0, 3.0, 4.0], [odd] * 6]))
    assert result[0]["features"] == bytes([0, 255, 1, 2, 3, 4])
    assert result[1]["reason"] == "a value that is no whole number from 0 to 255"


VECTORS = pa.array([[1.0, 2.0, 3.0]] * 3)


def test_labels_become_indices_and_unknown_ones_are_bad() -> None:
    result = rows("numbers", VECTOR, VECTORS, label=pa.array(["b", "x", None]))
    assert result[0]["label"] == 1
    assert [row["reason"] for row in result] == [
        None,
        "the label 'x' is none of 2",
        "the label is null or NaN",
    ]


def test_measured_labels_must_be_finite() -> None:
    result = rows("numbers", VECTOR, VECTORS, None, label=pa.array([0.5, math.inf, None]))
    assert result[0]["label"] == 0.5
    assert [row["reason"] for row in result[1:]] == [
        "the label is not a finite number",
        "the label is null or NaN",
    ]


def test_several_measured_labels() -> None:
    label = pa.array([[0.5], [1.0, 2.0], [math.nan]], pa.list_(pa.float32()))
    result = rows("numbers", VECTOR, VECTORS, None, label=label)
    assert result[0]["label"] == [0.5]
    assert [row["reason"] for row in result[1:]] == [
        "the label: 2 numbers, 1 are a sample (1,)",
        "the label: a feature that is null, NaN or infinite",
    ]


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"weight": pa.array([1.0, -1.0, None])}, "a weight that is no number >= 0"),
        ({"length": pa.array([1, 0, None])}, "a length outside 1 to 3"),
        (
            {"split": pa.array(["test", "tset", "dev"])},
            "a split that is none of train, validation, test",
        ),
        ({"key": pa.array(["k", None, None])}, "the key is null"),
    ],
)
def test_other_columns_are_checked(columns: dict[str, Any], reason: str) -> None:
    result = rows("numbers", VECTOR, VECTORS, **columns)
    assert [row["reason"] for row in result] == [None, reason, reason]


@given(
    lists=st.lists(
        st.one_of(st.none(), st.lists(st.floats(-1e6, 1e6, width=32), max_size=5)), max_size=30
    ),
    start=st.integers(0, 5),
    slice_bytes=st.integers(1, 100),
)
def test_slices_and_batches_change_nothing(
    lists: list[list[float] | None], start: int, slice_bytes: int
) -> None:
    """Whatever was sent before and however the batch is cut, a row becomes what it is alone."""
    column = pa.array(lists, pa.list_(pa.float64())).slice(start)
    before = encode._SLICE_BYTES
    try:
        encode._SLICE_BYTES = slice_bytes
        result = rows("numbers", VECTOR, column)
    finally:
        encode._SLICE_BYTES = before
    assert len(result) == len(column)
    for row, numbers in zip(result, column.to_pylist(), strict=True):
        good = numbers is not None and len(numbers) == 3
        assert (row["reason"] is None) == good
        if good:
            assert values(row, VECTOR) == numbers
