"""Tables of numbers and of pictures as sources."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pyspark.ml.linalg import Vectors
from pyspark.sql import SparkSession

from nets.errors import ConfigError
from nets.prepare import PreparationConfig
from workbench import data
from workbench.data.config import DataConfig, SplitConfig
from workbench.data.sources import ImageTableSource, TableSource
from workbench.errors import DataError

CSV = """name,width,height,kind
a,1.5,2,cat
b,2.5,,dog
c,3.5,x,dog
d,4.5,5,
e,5.5,6,cat
"""


def whole(table: Any) -> dict[str, list[float]]:
    return {
        row["key"]: np.frombuffer(row["features"], np.float32).tolist()
        for row in table.frame.collect()
    }


def reasons(table: Any) -> dict[str, str]:
    return {row["key"]: row["reason"] for row in table.bad.collect()}


@pytest.mark.cluster
def test_a_csv_file_with_gaps(spark: SparkSession, tmp_path: Path) -> None:
    path = tmp_path / "odd name [1].csv"
    path.write_text(CSV.replace("x", "7"))
    source = TableSource(path=str(path), format="csv", label="kind", key="name")
    table = data.read(source, spark)
    assert table.labels == ("cat", "dog")
    assert whole(table) == {"a": [1.5, 2], "c": [3.5, 7], "e": [5.5, 6]}
    assert reasons(table) == {
        "b": "a feature that is null, NaN or infinite: height",
        "d": "the label is null or NaN",
    }
    path.write_text(CSV)  # now the column height is text
    with pytest.raises(
        DataError, match="'height' cannot be a feature: it is text with 4 different"
    ):
        data.read(
            TableSource(
                path=str(path), format="csv", label="kind", key="name", features=("width", "height")
            ),
            spark,
        )


@pytest.mark.cluster
def test_vectors_in_parquet_with_a_test_table_and_measured_labels(
    spark: SparkSession, tmp_path: Path
) -> None:
    def write(name: str, start: int) -> str:
        rows = [(Vectors.dense(i, 0), i, 1.0) for i in range(start, start + 20)]
        frame = spark.createDataFrame(rows, ["vector", "target", "w"])
        frame.write.parquet(str(tmp_path / name))
        return str(tmp_path / name)

    source = TableSource(
        path=write("train", 0),
        test_path=write("test", 100),
        features=("vector",),
        label="target",
        task="values",
        weight="w",
    )
    config = DataConfig(source=source, split=SplitConfig(validation=0.25))
    table = data.load(config, spark)
    counted = data.record(table, config)
    assert counted["rows"] == {"train": 15, "validation": 5, "test": 20}
    assert table.labels is None and table.official_test
    for row in table.frame.collect():
        assert np.frombuffer(row["features"], np.float32)[0] == row["label"]
        assert (row["split"] == "test") == (row["label"] >= 100)
        assert row["weight"] == 1


@pytest.mark.cluster
def test_a_table_of_pictures_with_some_that_are_none(spark: SparkSession, tmp_path: Path) -> None:
    def picture(value: int) -> bytes:
        buffer = io.BytesIO()
        Image.new("RGB", (4 + value % 3, 5), (value, 0, 0)).save(buffer, "PNG")
        return buffer.getvalue()

    rows = [(f"p{i}", picture(i), "ab"[i % 2]) for i in range(20)] + [("broken", b"x", "a")]
    frame = spark.createDataFrame(rows, "path string, picture binary, label string")
    frame.write.orc(str(tmp_path / "table"))
    source = ImageTableSource(
        path=str(tmp_path / "table"), format="orc", image="picture", key="path", shape=(3, 2, 2)
    )
    table = data.read(source, spark)
    found = {row["key"]: bytes(row["features"]) for row in table.frame.collect()}
    assert found == {f"p{i}": bytes([i] * 4 + [0] * 8) for i in range(20)}
    assert reasons(table) == {"broken": "not a picture that Pillow knows"}


@pytest.mark.cluster
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"path": "nothing"}, "must be a table in format csv, got .* where there is nothing"),
        ({"label": "colour"}, "has no column 'colour'. It has name, width, height, kind"),
        ({"format": "parquet"}, "cannot be read as parquet"),
        ({"format": "nonsense"}, "cannot be read as nonsense"),
        ({"test_path": "other.csv"}, "only one of them has colour"),
    ],
)
def test_tables_that_cannot_be_read(
    spark: SparkSession, tmp_path: Path, settings: dict[str, Any], message: str
) -> None:
    (tmp_path / "t.csv").write_text(CSV)
    (tmp_path / "other.csv").write_text(CSV.replace("width", "colour"))
    for name in ("path", "test_path"):
        if name in settings:
            settings = {**settings, name: str(tmp_path / settings[name])}
    chosen = {"path": str(tmp_path / "t.csv"), "format": "csv", "label": "kind", **settings}
    with pytest.raises(DataError, match=message):
        frame = data.read(TableSource(**chosen), spark).frame
        frame.count()


def test_the_test_table_is_part_of_the_fingerprint(tmp_path: Path) -> None:
    for name in ("train.csv", "test.csv"):
        (tmp_path / name).write_text(CSV)
    source = TableSource(
        path=str(tmp_path / "train.csv"), test_path=str(tmp_path / "test.csv"), format="csv"
    )
    before = data.fingerprint(DataConfig(source=source), PreparationConfig())
    assert data.fingerprint(DataConfig(source=source), PreparationConfig()) == before
    (tmp_path / "test.csv").write_text(CSV + "f,1,2,cat\n")
    assert data.fingerprint(DataConfig(source=source), PreparationConfig()) != before


def test_a_column_cannot_be_feature_and_label() -> None:
    with pytest.raises(ConfigError, match="must not name another setting's column, got x"):
        TableSource(path="t", features=("x", "y"), label="x")
