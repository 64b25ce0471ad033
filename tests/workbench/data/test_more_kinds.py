"""More kinds of inputs that people have: zip archives, exports of labelling tools, signs in numbers,
times in parts, LIBSVM, conditions on rows."""

from __future__ import annotations

import datetime as dt
import io
import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from nets import PreparationConfig
from nets.config import from_dict
from workbench import data
from workbench.data import CanonicalFrame, DataConfig, guess_source
from workbench.data.sources import ImageFolderSource, TableSource
from workbench.data.sources.labelled_folder import find_files
from workbench.data.sources.picture_layout import PICTURES, Layout
from workbench.errors import DataError
from workbench.preflight.decisions import list_decisions

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

CLASSES = ("cat", "dog")


def picture(value: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (4, 4), value).save(buffer, "PNG")
    return buffer.getvalue()


def write(path: Path, lines: list[str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    return path


def read(spark: SparkSession, path: Path, **settings: Any) -> CanonicalFrame:
    source = {**guess_source(str(path)), **settings}
    tree = {"source": source, "split": {"by": "time" if source["kind"] == "series" else "rows"}}
    return data.read(from_dict(DataConfig, tree).source, spark)


def values(canonical: CanonicalFrame) -> list[list[float]]:
    rows = canonical.frame.collect()
    return sorted(np.frombuffer(row["features"], np.float32).tolist() for row in rows)


# ---- pictures


@pytest.mark.parametrize("packed", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_zip_archive_of_class_folders(spark: SparkSession, tmp_path: Path, packed: int) -> None:
    with zipfile.ZipFile(tmp_path / "pets.ZIP", "w", packed) as archive:
        for split in ("train", "test"):
            for i in range(8):
                archive.writestr(f"pets/{split}/{CLASSES[i % 2]}/{i}.png", picture(10 * i))
        archive.writestr("__MACOSX/pets/train/cat/._0.png", b"x")
        archive.writestr("pets/train/cat/.DS_Store", b"x")
    canonical = read(spark, tmp_path / "pets.ZIP", shape=[1, 4, 4])
    rows = canonical.frame.collect()
    assert canonical.labels == CLASSES
    found = sorted((row["split"] or "train", row["features"][0], row["label"]) for row in rows)
    assert found == [(s, 10 * i, i % 2) for s in ("test", "train") for i in range(8)]
    assert canonical.bad is not None and canonical.bad.count() == 0


def test_archives_of_other_things_are_refused_with_what_they_hold(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "t.csv.zip", "w") as archive:
        archive.writestr("t.csv", "a,label\n1,x\n")
    with pytest.raises(DataError, match=r"an archive \(1 .csv\).*unzip -d FOLDER t.csv.zip"):
        guess_source(str(tmp_path / "t.csv.zip"))
    (tmp_path / "x.tar.gz").write_bytes(b"nothing")
    with pytest.raises(DataError, match="cannot be listed"):
        guess_source(str(tmp_path / "x.tar.gz"))


def layout_of(path: Path, **settings: Any) -> Layout:
    assert guess_source(str(path))["kind"] == "image_folder"
    return find_files(ImageFolderSource(path=str(path), **settings), PICTURES)[1]


def images(folder: Path, num: int = 8, name: str = "{}.png") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(num):
        (folder / name.format(i)).write_bytes(picture(i))


def coco(num: int, twice: int | None = None) -> str:
    return json.dumps(
        {
            "images": [{"id": i, "file_name": f"{i}.png"} for i in range(num)],
            "annotations": [{"image_id": i, "category_id": i % 2 + 1} for i in range(num)]
            + [{"image_id": twice, "category_id": 1}, {"image_id": twice, "category_id": 2}],
            "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
        }
    )


def label_studio(num: int) -> str:
    return json.dumps(
        [
            {
                "data": {"image": f"/data/local-files/?d=img/{i}.png"},
                "annotations": [{"result": [{"value": {"choices": [CLASSES[i % 2]]}}]}],
            }
            for i in range(num)
        ]
    )


CVAT = [f'<image name="{i}.png"><tag label="{CLASSES[i % 2]}"/></image>' for i in range(8)]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("annotations/instances.json", coco(8)),
        ("project.json", label_studio(8)),
        ("min.json", json.dumps([{"image": f"/d/{i}.png", "choice": CLASSES[i % 2]} for i in range(8)])),
        ("project.csv", "\n".join(["annotation_id,annotator,image,choice", *(f"{i + 1},1,/d/{i}.png,{CLASSES[i % 2]}" for i in range(8))])),
        ("annotations.xml", f"<annotations>{''.join(CVAT)}</annotations>"),
        ("metadata.jsonl", "\n".join(json.dumps({"file_name": f"images/{i}.png", "label": CLASSES[i % 2]}) for i in range(8))),
    ],
)  # fmt: skip
def test_an_export_of_a_labelling_tool_names_the_classes(
    tmp_path: Path, name: str, content: str
) -> None:
    images(tmp_path / "images")
    write(tmp_path / name, [content])
    layout = layout_of(tmp_path)
    found = {(one.path, one.label, one.problem) for one in layout.pictures}
    assert found == {(f"images/{i}.png", CLASSES[i % 2], None) for i in range(8)}


def test_a_picture_of_several_classes_says_so(tmp_path: Path) -> None:
    images(tmp_path / "images")
    write(tmp_path / "coco.json", [coco(8, twice=3)])
    problems = {one.path: one.problem for one in layout_of(tmp_path).pictures if one.problem}
    assert problems == {"images/3.png": "annotated as several classes (cat, dog)"}


def test_pascal_vocs_file_for_each_picture(tmp_path: Path) -> None:
    images(tmp_path / "JPEGImages")
    for i in range(8):
        name = f"<annotation><object><name>{CLASSES[i % 2]}</name></object></annotation>"
        write(tmp_path / f"Annotations/{i}.xml", [name])
    layout = layout_of(tmp_path)
    assert {(one.path, one.label) for one in layout.pictures} == {
        (f"JPEGImages/{i}.png", CLASSES[i % 2]) for i in range(8)
    }


@pytest.mark.parametrize("form", ["metadata.jsonl", "metadata.csv"])
def test_hugging_faces_folder_of_pictures(tmp_path: Path, form: str) -> None:
    for split in ("train", "test"):
        images(tmp_path / split)  # the same names in both
        pairs = [(f"{i}.png", CLASSES[(i + (split == "test")) % 2]) for i in range(8)]
        lines = [json.dumps({"file_name": name, "label": label}) for name, label in pairs]
        if form.endswith("csv"):
            lines = ["file_name,label", *(f"{name},{label}" for name, label in pairs)]
        write(tmp_path / split / form, lines)
    found = {(one.path, one.label, one.split, one.problem) for one in layout_of(tmp_path).pictures}
    assert found == {
        (f"{split}/{i}.png", CLASSES[(i + (split == "test")) % 2], split, None)
        for split in ("train", "test")
        for i in range(8)
    }


def test_classes_in_the_names_of_files(tmp_path: Path) -> None:
    for name in CLASSES:
        images(tmp_path / "train", name=name + ".{}.png")
    layout = layout_of(tmp_path)
    assert layout.labels == ("train",)
    said = next(text for text in layout.decided if "class_pattern" in text)
    assert "begin with train/cat, train/dog" in said or "begin with cat, dog" in said
    pattern = said.partition("class_pattern='")[2].rstrip("'")
    layout = layout_of(tmp_path, class_pattern=pattern)
    assert layout.labels == CLASSES
    assert [one.problem for one in layout.pictures] == [None] * 16
    layout = layout_of(tmp_path, class_pattern=r"(cat)\.\d")
    assert sum(one.problem is not None for one in layout.pictures) == 8


# ---- tables


def test_numbers_with_signs(spark: SparkSession, tmp_path: Path) -> None:
    rows = [f'"${1000 + i:,}.50",{i}.5 %,{"ab"[i % 2]}' for i in range(40)]
    canonical = read(spark, write(tmp_path / "t.csv", ["price,share,label", *rows]))
    assert values(canonical) == sorted([1000.5 + i, i + 0.5] for i in range(40))
    assert "Signs: 40 of 40 numbers of price have a sign" in " ".join(canonical.decided)
    rows = [f"{10 + i},25 €;{i};{'ab'[i % 2]}" for i in range(40)]
    canonical = read(spark, write(tmp_path / "e.csv", ["preis;x;label", *rows]), features=["preis"])
    assert values(canonical) == sorted([10.25 + i] for i in range(40))


@pytest.mark.parametrize("form", ["{0} {1} {2} {3}", "[{0}, {1}, {2}, {3}]", "[{0} {1}\n {2} {3}]"])
def test_cells_of_several_numbers_are_a_vector(
    spark: SparkSession, tmp_path: Path, form: str
) -> None:
    parts = ("Training", "PublicTest", "Training", "PrivateTest")
    rows = [f'{i % 3},"{form.format(i, 2, 3.5, 4)}",{parts[i % 4]}' for i in range(40)]
    canonical = read(spark, write(tmp_path / "t.csv", ["emotion,pixels,Usage", *rows]))
    assert values(canonical) == sorted([i, 2, 3.5, 4] for i in range(40))
    assert canonical.labels == ("0", "1", "2")
    assert {row["split"] for row in canonical.frame.collect()} == {None, "test"}


def test_ids_are_no_features_and_codes_keep_their_zeros(
    spark: SparkSession, tmp_path: Path
) -> None:
    rows = [f"{90071 + i * i * 7},{i % 7}.5,{('01', '02', '10')[i % 3]}" for i in range(60)]
    canonical = read(spark, write(tmp_path / "t.csv", ["user_id,x,label", *rows]))
    assert canonical.feature_names == ("x",)
    assert canonical.labels == ("01", "02", "10")
    assert "user_id; it only counts or names the rows" in " ".join(canonical.decided)


def test_columns_with_any_number_of_spaces_between_them(
    spark: SparkSession, tmp_path: Path
) -> None:
    rows = [f"  {i * 1.5:8.3f}   {i * 2:6}  {i % 3}" for i in range(60)]
    for name, head in (("housing.data", []), ("named.txt", ["size  rooms   class"])):
        canonical = read(spark, write(tmp_path / name, [*head, *rows, "1 2"]))
        assert values(canonical) == sorted([i * 1.5, i * 2.0] for i in range(60))
        assert canonical.labels == ("0", "1", "2")
        assert canonical.bad is not None and canonical.bad.count() == 1
    prose = [f"some words that are {i} no table at all" for i in range(30)]
    with pytest.raises(DataError, match="no known kind"):
        guess_source(str(write(tmp_path / "prose.log", prose)))


def test_names_of_columns_with_dots(spark: SparkSession, tmp_path: Path) -> None:
    rows = [f"{i % 7}.5,{i % 5},{'ab'[i % 2]}" for i in range(40)]
    canonical = read(spark, write(tmp_path / "t.csv", ["Sepal.Length,Vol.,label", *rows]))
    assert canonical.feature_names == ("Sepal.Length", "Vol.")
    hours = [dt.datetime(2021, 1, 1) + dt.timedelta(hours=i) for i in range(200)]
    series = write(tmp_path / "s.csv", ["date,pm2.5", *(f"{t},{t.hour}" for t in hours)])
    assert read(spark, series).feature_names == ("pm2.5",)


def test_points_between_thousands_beside_decimal_commas(
    spark: SparkSession, tmp_path: Path
) -> None:
    rows = [f"{1 + i % 9}.{i % 7:03};{i},5;{'ab'[i % 2]}" for i in range(40)]
    canonical = read(spark, write(tmp_path / "t.csv", ["a;b;label", *rows]))
    expected = sorted([1000.0 * (1 + i % 9) + i % 7, i + 0.5] for i in range(40))
    assert values(canonical) == expected


def test_ids_beyond_what_a_double_counts(spark: SparkSession, tmp_path: Path) -> None:
    rows = [f"{2**53 + 1 + 7919 * i},{i % 7}.5,{'ab'[i % 2]}" for i in range(60)]
    canonical = read(spark, write(tmp_path / "t.csv", ["user_id,x,label", *rows]))
    assert canonical.feature_names == ("x",)


def test_libsvm(spark: SparkSession, tmp_path: Path) -> None:
    rows = [f"{1 if i % 2 else -1} 1:{i}.5 3:1" for i in range(20)]
    for name in ("a1a.txt", "t.svm"):
        canonical = read(spark, write(tmp_path / name, rows))
        assert values(canonical) == sorted([i + 0.5, 0, 1] for i in range(20))
        assert canonical.labels == ("-1", "1")


@pytest.mark.parametrize(
    ("header", "form"),
    [
        ("year,month,day,hour", "{0.year},{0.month},{0.day},{0.hour}"),
        ("Date,Time", "{0:%d/%m/%Y},{0:%H.%M.%S}"),
        ("date,clock", "{0:%Y-%m-%d},{0:%H:%M}"),
    ],
)
def test_times_in_several_columns(
    spark: SparkSession, tmp_path: Path, header: str, form: str
) -> None:
    start = dt.datetime(2021, 1, 1)
    rows = [f"{form.format(start + dt.timedelta(hours=i))},{i % 24}" for i in range(500)]
    path = write(tmp_path / "t.csv", [f"{header},load", *rows])
    settings = guess_source(str(path))
    assert (settings["kind"], settings["horizon"]) == ("series", 24)
    assert settings["time_column"] == header.replace(",", "+")
    canonical = read(spark, path)
    assert canonical.feature_names == ("load",)
    assert canonical.bad is not None and canonical.bad.count() == 0
    assert "Step: rows are 3600 s apart." in canonical.decided


@pytest.mark.parametrize("form", ["%b %d, %Y", "%Y-%m-%d", "%d-%b-%y"])
def test_the_newest_row_may_come_first(spark: SparkSession, tmp_path: Path, form: str) -> None:
    days = [dt.date(2022, 1, 1) - dt.timedelta(days=i) for i in range(400)]
    rows = [f'"{day:{form}}",{i % 7},{i}' for i, day in enumerate(days)]
    path = write(tmp_path / "t.csv", ["Date,Open,Close", *rows])
    assert guess_source(str(path))["targets"] == ["Close"]
    canonical = read(spark, path)
    assert canonical.bad is not None and canonical.bad.count() == 0
    assert canonical.feature_names == ("Open", "Close")
    first = canonical.frame.orderBy("time").head()
    assert first is not None and first["c1"] == 399


def test_months_without_days(spark: SparkSession, tmp_path: Path) -> None:
    rows = [f"{1949 + i // 12}-{i % 12 + 1:02},{100 + i}" for i in range(240)]
    path = write(tmp_path / "t.csv", ["Month,Passengers", *rows])
    settings = guess_source(str(path))
    assert (settings["time_format"], settings["horizon"]) == ("%Y-%m", 12)
    assert "Calendar: months" in " ".join(read(spark, path).decided)


def test_a_logger_that_repeats_rows_is_a_series(tmp_path: Path) -> None:
    start = dt.datetime(2021, 1, 1)
    times = [start + dt.timedelta(hours=i - (i % 100 == 50)) for i in range(500)]
    path = write(tmp_path / "t.csv", ["timestamp,v", *(f"{t},{t.hour}" for t in times)])
    assert guess_source(str(path))["kind"] == "series"
    again = [f"{t},{t.hour}" for t in times[:60] * 3]  # three series one after the other
    assert guess_source(str(write(tmp_path / "u.csv", ["timestamp,v", *again])))["kind"] == "table"


def test_rows_that_end_with_a_delimiter_keep_their_columns(
    spark: SparkSession, tmp_path: Path
) -> None:
    rows = [f"{i}.5,{i % 3}.5,{'ab'[i % 2]}," for i in range(40)]
    canonical = read(spark, write(tmp_path / "t.csv", ["x,y,label", *rows]))
    assert canonical.labels == ("a", "b")
    assert canonical.feature_names == ("x", "y")


def test_files_in_folders_are_one_table_and_that_is_said(
    spark: SparkSession, tmp_path: Path
) -> None:
    for name in ("walk", "sit"):
        rows = [f"{i}.5,{'ab'[i % 2]}" for i in range(20)]
        write(tmp_path / name / "1.csv", ["x,label", *rows])
    said = " ".join(read(spark, tmp_path).decided)
    assert "2 files in the folders sit, walk are read as one table" in said


def test_classes_that_are_lists_of_classes_are_said(spark: SparkSession, tmp_path: Path) -> None:
    rows = [f"{i}.5,{('cat', 'dog', 'cat|dog')[i % 3]}" for i in range(60)]
    config = from_dict(
        DataConfig, {"source": guess_source(str(write(tmp_path / "t.csv", ["x,label", *rows])))}
    )
    canonical = data.assign_splits(data.read(config.source, spark), config.split)
    said = " ".join(list_decisions(canonical, data.summarize(canonical, config)))
    assert "Maybe several classes of one sample: 'cat|dog'" in said


def test_a_folder_of_arrays_is_refused_with_what_it_holds(tmp_path: Path) -> None:
    for name in CLASSES:
        write(tmp_path / name / "1.npy", ["x"])
    with pytest.raises(DataError, match=r"It holds .npy \(2\): arrays of NumPy are no table"):
        guess_source(str(tmp_path))


@pytest.mark.parametrize(
    ("name", "message"), [("x.arff", "loadarff"), ("d/state.json", "load_from_disk")]
)
def test_files_of_other_programs_are_refused_with_the_way_out(
    tmp_path: Path, name: str, message: str
) -> None:
    path = write(tmp_path / name, ["{}"])
    with pytest.raises(DataError, match=message):
        guess_source(str(path if name == "x.arff" else tmp_path))


def test_a_condition_on_a_tables_rows_skips_partitions(spark: SparkSession, tmp_path: Path) -> None:
    rows = [(i, i / 2, "ab"[i % 2], f"2024-01-{1 + i % 4:02}") for i in range(80)]
    frame = spark.createDataFrame(rows, "id int, x double, label string, day string")
    frame.write.partitionBy("day").parquet(str(tmp_path / "rows"))
    source = {"features": ["x"], "where": "day > '2024-01-02'"}
    canonical = read(spark, tmp_path / "rows", **source)
    assert values(canonical) == sorted([i / 2] for i in range(80) if i % 4 > 1)
    assert "Rows read: where day > '2024-01-02'." in canonical.decided
    with pytest.raises(DataError, match=r"condition of Spark's SQL on the columns id, x"):
        read(spark, tmp_path / "rows", where="no > 1")


def test_a_table_of_the_sessions_catalog(spark: SparkSession, tmp_path: Path) -> None:
    frame = spark.createDataFrame(
        [(i / 2, "ab"[i % 2]) for i in range(80)], "x double, label string"
    )
    spark.sql("drop table if exists catalog_rows")
    frame.write.option("path", str(tmp_path / "rows")).saveAsTable("catalog_rows")
    try:
        source = TableSource(path="catalog_rows", format="catalog")
        canonical = data.read(source, spark)
        assert values(canonical) == sorted([i / 2] for i in range(80))
        assert "Read from the session's catalog: catalog_rows." in canonical.decided
        config = DataConfig(source=source)
        assert data.is_remote(config)
        first = data.fingerprint(config, PreparationConfig(), spark)
        assert first == data.fingerprint(config, PreparationConfig(), spark)
        frame.limit(4).write.insertInto("catalog_rows")
        assert first != data.fingerprint(config, PreparationConfig(), spark)
        with pytest.raises(DataError, match="has catalog_rows"):
            data.read(TableSource(path="other_rows", format="catalog"), spark)
    finally:
        spark.sql("drop table if exists catalog_rows")


def test_delta_without_its_package_says_what_is_missing(
    spark: SparkSession, tmp_path: Path
) -> None:
    write(tmp_path / "d/_delta_log/0.json", ["{}"])
    with pytest.raises(DataError, match="cannot be read as delta"):
        read(spark, tmp_path / "d")
