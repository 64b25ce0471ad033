"""A person's own DataFrame as a CanonicalFrame."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pyspark.ml.linalg import Vectors
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from nets.spec import TensorSpec
from workbench import data
from workbench.data import CanonicalFrame, from_dataframe
from workbench.data.config import SplitConfig
from workbench.errors import DataError

pytestmark = pytest.mark.cluster

VECTOR = TensorSpec(kind="vector", shape=(2,))


def good(canonical: CanonicalFrame) -> dict[str, dict[str, Any]]:
    return {row["key"]: row.asDict() for row in canonical.frame.collect()}


def bad(canonical: CanonicalFrame) -> dict[str, str]:
    assert canonical.bad is not None
    return {row["key"]: row["reason"] for row in canonical.bad.collect()}


def sample(row: dict[str, Any], spec: TensorSpec) -> Any:
    return np.frombuffer(row["features"], spec.dtype).reshape(spec.shape).tolist()


def create_frame(spark: SparkSession, rows: Iterable[Any], schema: str) -> DataFrame:
    return spark.createDataFrame(list(rows), schema)


def test_numeric_columns_become_a_vector_and_text_a_class(spark: SparkSession) -> None:
    frame = create_frame(
        spark,
        [
            ("r1", 1, 0.5, "yes"),
            ("r2", 2, None, "no"),
            ("r3", 3, float("nan"), "no"),
            ("r4", 4, 1.5, None),
            (None, 5, 1.5, "no"),
            ("r6", 6, 2.5, "no"),
        ],
        "id string, `a.b` int, c double, answer string",
    )
    canonical = from_dataframe(frame, features=["a.b", "c"], label="answer", key="id")
    assert canonical.labels == ("no", "yes") and canonical.num_outputs == 2
    assert canonical.spec == VECTOR
    rows_by_key = good(canonical)
    assert sample(rows_by_key["r1"], VECTOR) == [1, 0.5] and rows_by_key["r1"]["label"] == 1
    assert rows_by_key.keys() == {"r1", "r6"}
    assert bad(canonical) == {
        "r2": "a feature that is null, NaN or infinite: c",
        "r3": "a feature that is null, NaN or infinite: c",
        "r4": "the label is null or NaN",
        "": "the key is null",
    }


def test_vectors_dense_and_sparse_with_doubles_for_classes(spark: SparkSession) -> None:
    rows = [
        ("dense", Vectors.dense(1, 2), 10.0),
        ("sparse", Vectors.sparse(2, {1: 3.0}), 2.0),
        ("short", Vectors.dense(1), 2.0),
        ("nan", Vectors.dense(1, 2), float("nan")),
    ]
    frame = spark.createDataFrame(rows, ["id", "features", "label"])
    canonical = from_dataframe(frame, features="features", label="label", labels="fit", key="id")
    assert canonical.labels == ("2", "10")  # in the order of the numbers
    rows_by_key = good(canonical)
    assert sample(rows_by_key["sparse"], VECTOR) == [0, 3] and rows_by_key["sparse"]["label"] == 0
    assert rows_by_key["dense"]["label"] == 1
    assert bad(canonical) == {
        "short": "1 numbers, 2 are a sample (2,)",
        "nan": "the label is null or NaN",
    }
    measured = from_dataframe(frame, features="features", label="label", key="id")
    assert measured.labels is None and measured.num_outputs == 1
    assert good(measured)["dense"]["label"] == 10.0


def test_classes_that_are_given_decide_what_is_unknown(spark: SparkSession) -> None:
    frame = create_frame(
        spark, [("a", [1.0, 2.0], 0), ("b", [3.0, 4.0], 7)], "k string, x array<float>, y int"
    )
    canonical = from_dataframe(frame, features="x", label="y", key="k", labels=["7", "8", "9"])
    assert good(canonical)["b"]["label"] == 0
    assert bad(canonical) == {"a": "the label '0' is none of 3"}


def test_raw_samples_weights_and_splits_of_their_own(spark: SparkSession) -> None:
    raw = np.array([1, 2], np.float32).tobytes()
    rows = [
        ("a", raw, True, 2.0, "test"),
        ("b", raw[1:], False, 1.0, None),
        ("c", raw, True, -1.0, None),
    ]
    frame = create_frame(spark, rows, "k string, x binary, y boolean, w double, s string")
    canonical = from_dataframe(
        frame, features="x", label="y", key="k", spec=VECTOR, weight="w", split="s"
    )
    assert canonical.official_test is True
    assert canonical.labels == ("false", "true")
    rows_by_key = good(canonical)
    assert rows_by_key["a"]["weight"] == 2.0 and rows_by_key["a"]["split"] == "test"
    assert bad(canonical) == {
        "b": "7 bytes, 8 are a sample (2,) float32",
        "c": "a weight that is no number >= 0",
    }


@pytest.mark.parametrize("third", ["train", "validation"])
def test_training_rows_are_drawn_from_where_no_validation_is_named(
    spark: SparkSession, third: str
) -> None:
    rows = [("a", 1.0, "train"), ("b", 2.0, "test"), ("c", 3.0, third)]
    frame = create_frame(spark, rows, "k string, x double, s string")
    canonical = from_dataframe(frame, features="x", label="x", key="k", split="s")
    splits = {key: row["split"] for key, row in good(canonical).items()}
    open_row = None if third == "train" else "train"
    assert splits == {"a": open_row, "b": "test", "c": open_row and third}


def test_series_of_nested_arrays_with_measured_targets(spark: SparkSession) -> None:
    spec = TensorSpec(kind="series", shape=(3, 2))
    rows = [("a", [[1.0, 2.0], [3.0, 4.0]], [0.5, 1.5]), ("b", [[1.0, 2.0]] * 4, [0.0, 0.0])]
    frame = create_frame(spark, rows, "k string, x array<array<double>>, y array<double>")
    canonical = from_dataframe(frame, features="x", label="y", key="k", spec=spec)
    assert canonical.num_outputs == 2 and canonical.labels is None
    row = good(canonical)["a"]
    assert sample(row, spec) == [[1, 2], [3, 4], [0, 0]]
    assert row["length"] == 2 and row["label"] == [0.5, 1.5]
    assert bad(canonical) == {"b": "8 numbers, at most 6 are a sample (3, 2)"}


def test_groups_stay_together_and_times_in_order(spark: SparkSession) -> None:
    rows = [
        (i, float(i), "ab"[i % 2], f"g{i // 5}", f"2024-01-{i % 28 + 1:02d}") for i in range(100)
    ]
    frame = create_frame(spark, rows, "id int, x double, y string, g string, t string")
    frame = frame.withColumn("t", F.col("t").cast("date"))
    canonical = from_dataframe(frame, features="x", label="y", key="id", group="g", time="t")
    grouped = data.assign_splits(canonical, SplitConfig(by="group")).frame
    assert (
        grouped.groupBy("group").agg(F.countDistinct("split").alias("n")).where("n > 1").count()
        == 0
    )
    assert {row["split"] for row in grouped.collect()} == {"train", "validation", "test"}
    ordered = data.assign_splits(canonical, SplitConfig(by="time")).frame
    latest = {
        row["split"]: row["t"]
        for row in ordered.groupBy("split").agg(F.max("time").alias("t")).collect()
    }
    assert latest["train"] < latest["validation"] < latest["test"]


def test_rows_without_a_key_or_label_are_named_by_their_content(spark: SparkSession) -> None:
    frame = create_frame(spark, [(1.0, 2.0), (1.0, 2.0), (3.0, 4.0)], "a double, b double")
    canonical = from_dataframe(frame, features=["a", "b"], label=None)
    keys = sorted(row["key"] for row in canonical.frame.collect())
    again = sorted(
        row["key"]
        for row in from_dataframe(
            frame.repartition(3), features=["a", "b"], label=None
        ).frame.collect()
    )
    assert keys == again and len(keys) == 3 and len(set(keys)) == 2
    assert canonical.labels is None and canonical.num_outputs == 1


def test_sparks_own_image_format(spark: SparkSession, tmp_path: Any) -> None:
    Image.new("RGB", (3, 2), (10, 20, 30)).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"not a picture")
    images = spark.read.format("image").load(str(tmp_path))
    frame = images.select("image", F.lit("x").alias("y"), F.col("image.origin").alias("k"))
    first = frame.where("image.nChannels > 0")
    assert from_dataframe(first, features="image", label="y").spec.shape == (3, 2, 3)
    spec = TensorSpec(kind="image", shape=(3, 2, 3), dtype="uint8")
    canonical = from_dataframe(frame, features="image", label="y", key="k", spec=spec)
    [row] = good(canonical).values()
    assert sample(row, spec) == [[[10] * 3] * 2, [[20] * 3] * 2, [[30] * 3] * 2]
    assert list(bad(canonical).values()) == ["0 bytes for -1x-1 pixels of -1 channels"]


def test_binary_files_are_pictures_and_say_their_shape(spark: SparkSession, tmp_path: Any) -> None:
    Image.new("RGBA", (5, 4)).save(tmp_path / "a.png")
    frame = spark.read.format("binaryFile").load(str(tmp_path)).withColumn("y", F.lit(1))
    canonical = from_dataframe(frame, features="content", label="y", key="path")
    assert canonical.spec == TensorSpec(kind="image", shape=(4, 4, 5), dtype="uint8")
    assert canonical.frame.count() == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"features": "xx"}, r"features must be a column .* got 'xx'\. Did you mean 'x'\?"),
        ({"features": []}, "features must name at least one column"),
        ({"features": ["x", "s"]}, "'s' is string. Index it first"),
        ({"features": "s"}, r"A sample's shape does not follow from 's' \(string\)"),
        ({"features": "s", "spec": VECTOR}, "is text, which is read as pictures in base64 only"),
        ({"features": "d"}, r"A sample's shape does not follow from 'd' \(date\)"),
        ({"features": "b"}, "is no picture that Pillow knows"),
        ({"features": "n"}, "holds no value to find a sample's shape from"),
        ({"label": "d"}, "label 'd' is date. It must be text"),
        ({"label": "n"}, "holds no value at all"),
    ],
)
def test_columns_that_cannot_be_used_are_refused(
    spark: SparkSession, changes: dict[str, Any], message: str
) -> None:
    frame = spark.sql(
        "select 1 x, 'a' s, date'2020-01-01' d, binary('abc') b, cast(null as string) n"
    )
    with pytest.raises(DataError, match=message):
        from_dataframe(frame, **{"features": "x", "label": "x", **changes})


def test_no_rows_at_all_are_refused(spark: SparkSession) -> None:
    with pytest.raises(DataError, match="has no rows"):
        from_dataframe(spark.range(0), features=["id"], label="id", spec=VECTOR)


def test_batches_are_bounded_by_bytes_while_a_block_runs(spark: SparkSession) -> None:
    setting = "spark.sql.execution.arrow.maxRecordsPerBatch"
    before = spark.conf.get(setting)
    frame = create_frame(
        spark, [("a", bytes(100), 0), ("b", bytes(2**20), 1)], "k string, x binary, y int"
    )
    spec = TensorSpec(kind="image", shape=(1, 10, 10), dtype="uint8")
    canonical = from_dataframe(frame, features="x", label="y", key="k", spec=spec)
    assert canonical.row_bytes == 2**20  # the largest one as it comes, not as it is decoded
    with data.limit_batches(canonical):
        assert spark.conf.get(setting) == "8"
        assert bad(canonical).keys() == {"b"}
    assert spark.conf.get(setting) == before
