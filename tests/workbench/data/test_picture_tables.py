"""Pictures in tables and archives: HuggingFace's Parquet, base64 text, WebDataset."""

from __future__ import annotations

import base64
import io
import json
import struct
import tarfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from pyspark.sql import SparkSession

from nets.config import from_dict
from workbench import data
from workbench.data import guess_source
from workbench.data.config import DataConfig, SplitConfig
from workbench.data.sources import ImageTableSource, PictureTarsSource
from workbench.errors import DataError


def png(value: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (2, 2), value).save(buffer, "PNG")
    return buffer.getvalue()


def read(spark: SparkSession, path: Path, **settings: Any) -> tuple[Any, list[tuple[Any, ...]]]:
    """The frame, and (first pixel, class, split) of each row, sorted."""
    source = {**guess_source(str(path)), "shape": (1, 2, 2), **settings}
    frame = data.read(from_dict(DataConfig, {"source": source}).source, spark)
    rows = [
        (row["features"][0], frame.labels[row["label"]] if frame.labels else None, row["split"])
        for row in frame.frame.collect()
    ]
    return frame, sorted(rows, key=str)


def hugging_face(path: Path, start: int, count: int, label: str = "label") -> None:
    rows = [
        {"image": {"bytes": png(i), "path": f"{i}.png"}, label: (i % 3) - (i == start + 6)}
        for i in range(start, start + count)
    ]
    features = {
        "image": {"_type": "Image"},
        label: {"names": ["plane", "car", "bird"], "_type": "ClassLabel"},
    }
    table = pa.Table.from_pylist(rows)
    facts = {"huggingface": json.dumps({"info": {"features": features}})}
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table.replace_schema_metadata(facts), path)


@pytest.mark.cluster
def test_hugging_faces_image_and_class_features(spark: SparkSession, tmp_path: Path) -> None:
    hugging_face(tmp_path / "data/train-00000-of-00001.parquet", 0, 9, "fine_label")
    hugging_face(tmp_path / "data/test-00000-of-00001.parquet", 30, 3, "fine_label")
    guessed = guess_source(str(tmp_path / "data"))
    assert (guessed["kind"], guessed["label"]) == ("image_table", "fine_label")
    frame, rows = read(spark, tmp_path / "data")
    assert frame.labels == ("plane", "car", "bird")
    tests = [row for row in rows if row[2] == "test"]
    assert tests == [(30, "plane", "test"), (31, "car", "test"), (32, "bird", "test")]
    assert (1, "car", None) in rows and len(rows) == 11
    assert [row["reason"] for row in frame.bad.collect()] == ["the label is null or NaN"]
    said = " ".join(frame.decided)
    assert "field bytes" in said and "Names of classes" in said and "test" in said
    _, again = read(spark, tmp_path / "data", image="image.bytes")
    assert again == rows
    with pytest.raises(DataError, match=r"'image.bites' leads to no field.*image.FIELD"):
        read(spark, tmp_path / "data", image="image.bites")
    with pytest.raises(DataError, match=r"no column 'photo'.*--set data.source.image=COLUMN"):
        read(spark, tmp_path / "data", image="photo")
    drawn, _ = read(spark, tmp_path / "data", named_splits=False)
    assert not drawn.official_test


@pytest.mark.cluster
def test_a_picture_that_is_only_named_is_a_bad_row_with_a_way_out(
    spark: SparkSession, tmp_path: Path
) -> None:
    cells = [{"bytes": png(0), "path": "0.png"}, {"bytes": None, "path": "far/1.png"}]
    pq.write_table(pa.table({"image": cells, "label": ["a", "b"]}), tmp_path / "t.parquet")
    frame, rows = read(spark, tmp_path / "t.parquet", label="label")
    assert len(rows) == 1
    [reason] = [row["reason"] for row in frame.bad.collect()]
    assert reason.startswith("the image is a path and no bytes (name the folder of the files")
    assert reason.endswith(": far/1.png")


@pytest.mark.cluster
@pytest.mark.parametrize("wrap", ["plain", "url", "lines"])
@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_base64_in_text(spark: SparkSession, tmp_path: Path, wrap: str, form: str) -> None:
    def text(i: int) -> str:
        plain = base64.b64encode(png(i)).decode()
        if wrap == "lines":
            return "\n".join(plain[at : at + 30] for at in range(0, len(plain), 30))
        return f"data:image/png;base64,{plain}" if wrap == "url" else plain

    path = tmp_path / f"pictures.{form}"
    if form == "csv":
        lines = ["name,photo,breed"] + [f'{i},"{text(i)}",{"ab"[i % 2]}' for i in range(8)]
    else:
        lines = [json.dumps({"photo": text(i), "breed": "ab"[i % 2]}) for i in range(8)]
    path.write_text("\n".join(lines) + "\n")
    frame, rows = read(spark, path)
    assert rows == [(i, "ab"[i % 2], None) for i in range(8)]
    assert frame.bad.count() == 0


def test_a_table_without_pictures_is_none(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,image,label\n1,none,x\n")
    assert guess_source(str(tmp_path / "t.csv"))["kind"] == "table"
    pq.write_table(pa.table({"blob": [b"abc"], "label": [1]}), tmp_path / "t.parquet")
    assert guess_source(str(tmp_path / "t.parquet"))["kind"] == "table"
    pq.write_table(pa.table({"blob": [png(1)], "label": [1]}), tmp_path / "p.parquet")
    guessed = guess_source(str(tmp_path / "p.parquet"))
    assert guessed["kind"] == "image_table" and guessed["image"] == "blob"


HUGE = b"BM" + struct.pack("<IIIIiiHHIIiiII", 54, 0, 54, 40, 90_000, 90_000, 1, 8, 0, 0, 1, 1, 0, 0)
"""A picture that states more pixels than Pillow opens."""


def save(path: Path, mode: str, size: tuple[int, int]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, 7).save(path)


@pytest.mark.parametrize(
    ("mode", "sizes", "shape"),
    [
        ("L", [(28, 28)] * 2, (1, 28, 28)),
        ("L", [(28, 20)] * 2, (1, 20, 28)),
        ("RGB", [(40, 40)] * 2, (3, 40, 40)),
        ("RGB", [(28, 28), (30, 28)], None),  # the source's usual 3 x 32 x 32
        ("L", [(28, 28), (30, 28)], (1, 32, 32)),
        ("L", [(400, 300)] * 2, (1, 32, 32)),
        ("RGB", [(96, 96)] * 2, None),
        ("I;16", [(28, 28)] * 2, (1, 28, 28)),
    ],
)
def test_pictures_are_grey_and_small_where_the_files_are(
    tmp_path: Path, mode: str, sizes: list[tuple[int, int]], shape: tuple[int, ...] | None
) -> None:
    for number, size in enumerate(sizes):
        save(tmp_path / "folder" / str(number) / "x.png", mode, size)
    (tmp_path / "folder/0/broken.png").write_bytes(b"no picture")
    (tmp_path / "folder/0/huge.bmp").write_bytes(HUGE)
    guessed = guess_source(str(tmp_path / "folder"))
    assert (guessed["kind"], guessed.get("shape")) == ("image_folder", shape)
    files = [file.read_bytes() for file in sorted((tmp_path / "folder").rglob("x.png"))]
    pq.write_table(pa.table({"image": files, "label": range(len(files))}), tmp_path / "t.parquet")
    assert guess_source(str(tmp_path / "t.parquet")).get("shape") == shape
    with tarfile.open(tmp_path / "t.tar", "w") as archive:
        archive.add(tmp_path / "folder", "folder")
    guessed = guess_source(str(tmp_path / "t.tar"))
    assert (guessed["kind"], guessed.get("shape")) == ("picture_tars", shape)


def test_pictures_beside_tables_are_pictures(tmp_path: Path) -> None:
    for kind in "01":
        (tmp_path / kind).mkdir()
        for i in range(3):
            (tmp_path / kind / f"{i}.png").write_bytes(png(i))
    (tmp_path / "train.csv").write_text("label,pixel0\n1,2\n")
    (tmp_path / "test.csv").write_text("label,pixel0\n1,2\n")
    assert guess_source(str(tmp_path))["kind"] == "image_folder"
    (tmp_path / "alone").mkdir()
    (tmp_path / "alone/rows.csv").write_text("a,label\n1,2\n")
    (tmp_path / "alone/plot.png").write_bytes(png(1))
    assert guess_source(str(tmp_path / "alone"))["kind"] == "table"


# ---- archives


def tar(path: Path, members: dict[str, bytes], mode: str = "w") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


@pytest.mark.cluster
def test_shards_of_webdataset(spark: SparkSession, tmp_path: Path) -> None:
    for shard, start in (("train-000000", 0), ("train-000001", 10), ("test-000000", 20)):
        members = {}
        for i in range(start, start + 4):
            members[f"s{i:03}.png"] = png(i)
            members[f"s{i:03}.cls"] = str(i % 2).encode()
        tar(tmp_path / f"set/{shard}.tar", members)
    frame, rows = read(spark, tmp_path / "set", classes=("cat", "dog"))
    expected = [(i, ("cat", "dog")[i % 2], None) for i in (0, 1, 2, 3, 10, 11, 12, 13)]
    expected += [(i, ("cat", "dog")[i % 2], "test") for i in range(20, 24)]
    assert rows == sorted(expected, key=str)
    assert frame.labels == ("cat", "dog") and frame.official_test
    keys = {row["key"] for row in frame.frame.select("key").collect()}
    assert "train-000001.tar/s010" in keys
    assert any("test-000000.tar is the test split" in text for text in frame.decided)


@pytest.mark.cluster
def test_classes_in_json_and_samples_that_lack_something(
    spark: SparkSession, tmp_path: Path
) -> None:
    members = {}
    for i in range(6):
        members[f"a/{i}.jpg"] = png(i)
        members[f"a/{i}.json"] = json.dumps({"label": f"k{i + 7}", "w": 1}).encode()
    members["a/8.json"] = b'{"label": "k7"}'
    members["a/9.jpg"] = png(9)
    path = tar(tmp_path / "x.tar", members)
    frame, rows = read(spark, path)
    assert frame.labels == tuple(f"k{i}" for i in range(7, 13))
    assert rows == [(i, f"k{i + 7}", None) for i in range(6)]
    reasons = {row["key"]: row["reason"] for row in frame.bad.collect()}
    assert reasons == {
        "x.tar/a/8": "the sample has no picture",
        "x.tar/a/9": "no class is in its json.label: ''",
    }


@pytest.mark.cluster
def test_folders_of_classes_in_a_tar(spark: SparkSession, tmp_path: Path) -> None:
    members = {"pets/cat/._1.png": b"x"}
    for split, kind, i in (("train", "cat", 1), ("train", "dog", 2), ("test", "dog", 3)):
        members[f"./pets/{split}/{kind}/{i}.v2.png"] = png(i)
    frame, rows = read(spark, tar(tmp_path / "pets.tar", members))
    assert rows == [(1, "cat", None), (2, "dog", None), (3, "dog", "test")]
    assert "pets/train/cat/1.v2.png" in {row["key"] for row in frame.frame.collect()}


def test_archives_that_are_refused(tmp_path: Path) -> None:
    def refused(path: Path, **settings: Any) -> str:
        with pytest.raises(DataError) as caught:
            data.read(PictureTarsSource(path=str(path), **settings), None)  # type: ignore[arg-type]
        return str(caught.value)

    packed = tar(tmp_path / "a.tar", {"1.png": png(1), "1.cls": b"1"}, "w:gz")
    assert "Decompress it first" in refused(packed)
    assert "holds no *.tar and no *.zip" in refused(
        (tmp_path / "empty").mkdir() or tmp_path / "empty"
    )
    flat = tar(tmp_path / "b.tar", {"1.png": png(1), "2.png": png(1)})
    assert "neither WebDataset's samples with a class" in refused(flat)
    many = tmp_path / "many"
    tar(many / "x.tar", {"1.png": png(1), "1.klass": b"1"})
    tar(many / "y.tar", {"2.png": png(1), "2.klass": b"1"})
    assert "klass, png: name the class's with --set data.source.label=ENDING" in refused(many)


def test_old_settings_of_tables_still_build() -> None:
    old = {"kind": "image_table", "path": "p", "image": "image", "label": "label", "split": None}
    config = from_dict(DataConfig, {"source": old, "split": {}})
    assert isinstance(config.source, ImageTableSource) and config.split == SplitConfig()
