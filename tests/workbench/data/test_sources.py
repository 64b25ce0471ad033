"""The sources, on real and on broken files."""

from __future__ import annotations

import io
import json
import os
import pickle
import shutil
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pyspark.sql import SparkSession

from nets.prepare import PreparationConfig
from nets.spec import TensorSpec
from workbench import data
from workbench.data.config import DataConfig, SplitConfig
from workbench.data.pictures import decode
from workbench.data.sources import CifarArchiveSource, DigitsSource, ImageFolderSource, cifar
from workbench.errors import DataError
from workbench.spark_errors import name_spark_failure

GREY = TensorSpec(kind="image", shape=(1, 4, 4), dtype="uint8")


def png(
    mode: str = "L", size: tuple[int, int] = (4, 4), value: Any = 7, form: str = "PNG"
) -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size, value).save(buffer, form)
    return buffer.getvalue()


# ---- digits


@pytest.mark.cluster
@pytest.mark.parametrize(("layout", "size"), [("image", 64), ("series", 256)])
def test_digits_are_whole_and_measured_on_the_training_split(
    spark: SparkSession, layout: Any, size: int
) -> None:
    from sklearn.datasets import load_digits

    config = DataConfig(source=DigitsSource(layout=layout))
    table = data.load(config, spark)
    counted = data.record(table, config)
    assert sum(counted["rows"].values()) == 1797
    assert counted["bad"]["rows"] == 0
    rows = table.frame.collect()
    assert {len(row["features"]) for row in rows} == {size}
    images, labels = load_digits(return_X_y=True)
    by_key = {row["key"]: row for row in rows}
    sample = np.frombuffer(by_key["digit-0123"]["features"], table.spec.dtype)
    assert np.array_equal(sample, images[123])
    assert by_key["digit-0123"]["label"] == labels[123]
    # The figures are those of the training rows, in float64, and of nothing else.
    train = np.stack(
        [np.frombuffer(r["features"], table.spec.dtype) for r in rows if r["split"] == "train"]
    ).astype(np.float64)
    found = data.fit_statistics(table, PreparationConfig(method="zca"))
    assert found is not None and found.covariance is not None
    assert found.count == len(train)
    np.testing.assert_allclose(found.mean, train.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(found.covariance, np.cov(train.T, bias=True), atol=1e-9)


@pytest.mark.cluster
def test_executors_elsewhere_get_the_same_rows(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They cannot read files of this machine."""
    source = DigitsSource()
    expected = data.read(source, spark)
    assert expected.cache is not None
    monkeypatch.setattr("workbench.data.sources.arrays.reads_our_files", lambda _: False)
    found = data.read(source, spark)
    assert found.cache is None and found.labels == expected.labels
    assert found.frame.orderBy("key").collect() == expected.frame.orderBy("key").collect()
    shutil.rmtree(expected.cache)
    gone = rf"{expected.cache}/00000.parquet is not there for Spark's executor on .*all machines"
    with pytest.raises(DataError, match=gone), name_spark_failure():
        expected.frame.collect()


def test_the_fingerprint_follows_what_decides_the_tensors(tmp_path: Path) -> None:
    preparation = PreparationConfig()
    base = DataConfig()
    same = data.fingerprint(replace(base, max_bad_share=0.5), preparation)
    assert same == data.fingerprint(base, preparation)
    assert data.fingerprint(replace(base, split=SplitConfig(seed=1)), preparation) != same
    assert data.fingerprint(base, PreparationConfig(method="zca")) != same
    picture = tmp_path / "cat" / "a.png"
    picture.parent.mkdir()
    picture.write_bytes(png())
    folder = DataConfig(source=ImageFolderSource(path=str(tmp_path)))
    before = data.fingerprint(folder, preparation)
    picture.write_bytes(png(value=200, size=(9, 9)))
    changed = data.fingerprint(folder, preparation)
    assert changed != before
    (tmp_path / "far").mkdir()
    (tmp_path / "near").mkdir()
    (tmp_path / "near" / "dog").symlink_to(tmp_path / "far", target_is_directory=True)
    (tmp_path / "near" / "loop").symlink_to(tmp_path, target_is_directory=True)
    linked = DataConfig(source=ImageFolderSource(path=str(tmp_path / "near")))
    before = data.fingerprint(linked, preparation)
    (tmp_path / "far" / "b.png").write_bytes(png())
    assert data.fingerprint(linked, preparation) != before


# ---- CIFAR-10's archive


def batch(rows: int = 4, **changes: Any) -> bytes:
    generator = np.random.default_rng(0)
    content = {
        b"data": generator.integers(0, 255, (rows, 3072), np.uint8),
        b"labels": [i % 10 for i in range(rows)],
    }
    return pickle.dumps({**content, **changes}, protocol=2)


def archive(path: Path, **members: bytes) -> Path:
    names = [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]
    content = {name: batch() for name in names}
    content["batches.meta"] = pickle.dumps({b"label_names": [b"c%d" % i for i in range(10)]}, 2)
    with tarfile.open(path, "w:gz") as tar:
        for name, body in {**content, **members}.items():
            info = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            info.size = len(body)
            tar.addfile(info, io.BytesIO(body))
    return path


@pytest.mark.cluster
@pytest.mark.parametrize("unpacked", [False, True])
def test_an_archive_or_its_folder_is_read_with_its_own_test_set(
    spark: SparkSession, tmp_path: Path, unpacked: bool
) -> None:
    path = archive(tmp_path / "cifar.tar.gz")
    if unpacked:
        with tarfile.open(path) as tar:
            tar.extractall(tmp_path / "there", filter="data")
        path = tmp_path / "there"
    config = DataConfig(source=CifarArchiveSource(path=str(path)), split=SplitConfig(validation=0))
    table = data.load(config, spark)
    rows = {row["key"]: row for row in table.frame.collect()}
    assert len(rows) == 24
    assert {key for key, row in rows.items() if row["split"] == "test"} == {
        f"test_batch/0000{i}" for i in range(4)
    }
    expected = pickle.loads(batch())[b"data"][2].tobytes()
    assert bytes(rows["data_batch_3/00002"]["features"]) == expected
    assert table.labels == tuple(f"c{i}" for i in range(10))
    assert table.spec == cifar.SPEC


def refused(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        cifar.read(CifarArchiveSource(path=str(path)), None)  # type: ignore[arg-type]
    return str(caught.value)


class Malicious:
    def __reduce__(self) -> Any:
        return os.system, ("touch /tmp/workbench-was-here",)


def test_a_pickle_that_would_run_code_is_refused_and_not_run(tmp_path: Path) -> None:
    mark = Path("/tmp/workbench-was-here")
    mark.unlink(missing_ok=True)
    path = archive(tmp_path / "a.tar.gz", data_batch_2=pickle.dumps({b"data": Malicious()}, 2))
    message = refused_while_reading(path)
    assert "data_batch_2" in message and "system" in message and "download" in message
    assert not mark.exists()


def refused_while_reading(path: Path) -> str:
    members = cifar._read_archive(path)
    with pytest.raises(DataError) as caught:
        for name in cifar.TRAINING:
            cifar._read_batch(name, members[name], path)
    return str(caught.value)


def test_an_archive_cut_short_says_where_it_ends(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.tar.gz")
    path.write_bytes(path.read_bytes()[:-4000])
    message = refused(path)
    assert str(path) in message and "cut short" in message and "again" in message


def test_an_archive_without_its_batches_names_the_missing(tmp_path: Path) -> None:
    path = tmp_path / "a.tar.gz"
    with tarfile.open(path, "w:gz"):
        pass
    assert "data_batch_1, data_batch_2" in refused(path)


def test_pictures_without_labels_are_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.tar.gz", data_batch_1=batch(**{"x": 1}) and batch(rows=4))
    odd = pickle.dumps({b"data": np.zeros((4, 3072), np.uint8), b"labels": [1]}, 2)
    path = archive(tmp_path / "b.tar.gz", data_batch_1=odd)
    assert "4 pictures and 1 labels" in refused_while_reading(path)


def test_labels_that_are_no_classes_are_refused(tmp_path: Path) -> None:
    odd = pickle.dumps({b"data": np.zeros((2, 3072), np.uint8), b"labels": [1, 200]}, 2)
    path = archive(tmp_path / "a.tar.gz", data_batch_1=odd)
    assert "labels from 1 to 200, not 0 to 9" in refused_while_reading(path)


def test_a_path_with_nothing_suggests_the_nearest(tmp_path: Path) -> None:
    archive(tmp_path / "cifar-10-python.tar.gz")
    message = refused(tmp_path / "cifar-10-pyton.tar.gz")
    assert "Did you mean" in message and "cifar-10-python.tar.gz" in message
    assert "--set data.source.path=" in message


# ---- folders of pictures


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "1", "LA", "I;16"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_any_kind_of_picture_becomes_the_asked_for_bytes(mode: str, channels: int) -> None:
    spec = TensorSpec(kind="image", shape=(channels, 4, 6), dtype="uint8")
    assert decode(png(mode, (11, 7), 1), spec).shape == spec.shape


def test_colours_land_in_their_channels() -> None:
    spec = TensorSpec(kind="image", shape=(3, 2, 2), dtype="uint8")
    decoded = decode(png("RGB", (2, 2), (10, 20, 30)), spec)
    assert decoded.reshape(3, 4).tolist() == [[10] * 4, [20] * 4, [30] * 4]


def test_sixteen_bits_are_scaled_and_not_clipped() -> None:
    assert np.unique(decode(png("I;16", (4, 4), 0x8000), GREY)).tolist() == [0x80]
    assert np.unique(decode(png("I;16", (4, 4), 0x00FF), GREY)).tolist() == [0]


@pytest.mark.parametrize("content", [b"", b"no picture", png()[:40], png(form="GIF")[:10]])
def test_what_is_no_picture_is_an_error_and_not_a_crash(content: bytes) -> None:
    with pytest.raises((ValueError, OSError, SyntaxError)):
        decode(content, GREY)


def test_a_picture_that_claims_too_many_pixels_is_not_decoded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("workbench.data.pictures.MAX_PIXELS", 10)
    with pytest.raises(ValueError, match="4x4 pixels, more than 10"):
        decode(png(), GREY)


def folder(root: Path, **classes: int) -> Path:
    for name, count in classes.items():
        (root / name).mkdir(parents=True)
        for i in range(count):
            (root / name / f"{i} ü'%.png").write_bytes(png(value=i))
    return root


@pytest.mark.cluster
def test_bad_pictures_are_set_aside_with_their_reasons(spark: SparkSession, tmp_path: Path) -> None:
    root = folder(tmp_path / "odd [1] {ü} %20", cat=20, dog=20)
    (root / "cat" / "broken.jpg").write_bytes(b"not a picture")
    (root / "dog" / "empty.png").write_bytes(b"")
    (root / "dog" / "_hidden.png").write_bytes(png())
    (root / ".cache").mkdir()
    source = ImageFolderSource(path=str(root), shape=(1, 4, 4))
    config = DataConfig(source=source, max_bad_share=0.1)
    table = data.load(config, spark)
    counted = data.record(table, config)
    assert sum(counted["rows"].values()) == 41
    assert {row["key"]: row["reason"] for row in counted["bad"]["examples"]} == {
        "cat/broken.jpg": "not a picture that Pillow knows",
        "dog/empty.png": "an empty file",
    }
    assert table.labels == ("cat", "dog")
    values = {row["key"]: row["features"] for row in table.frame.collect()}
    assert bytes(values["dog/3 ü'%.png"]) == bytes([3] * 16)
    strict = replace(config, max_bad_share=0.01)
    with pytest.raises(DataError, match=r"2 of 43 rows are bad, more than .* 0\.01 allows: "):
        data.record(table, strict)


@pytest.mark.cluster
def test_train_and_test_folders_are_the_splits(spark: SparkSession, tmp_path: Path) -> None:
    folder(tmp_path / "set" / "train", cat=6, dog=6)
    folder(tmp_path / "set" / "test", cat=2, dog=2)
    source = ImageFolderSource(path=str(tmp_path / "set"), shape=(1, 4, 4))
    table = data.load(DataConfig(source=source, split=SplitConfig(validation=0)), spark)
    assert table.labels == ("cat", "dog")
    counts = {tuple(row): n for *row, n in table.frame.groupBy("split", "label").count().collect()}
    assert counts == {
        ("train", 0): 6,
        ("train", 1): 6,
        ("test", 0): 2,
        ("test", 1): 2,
    }


def test_a_folder_without_classes_is_refused(tmp_path: Path) -> None:
    (tmp_path / "picture.png").write_bytes(png())
    with pytest.raises(DataError, match=r"one folder of pictures per class .* got 0 folders"):
        data.load(
            DataConfig(source=ImageFolderSource(path=str(tmp_path))),
            None,  # type: ignore[arg-type]
        )


@pytest.mark.cluster
def test_real_pictures(spark: SparkSession, real_data: Path) -> None:
    source = ImageFolderSource(path=str(real_data / "cifar10" / "images"))
    config = DataConfig(source=source)
    counted = data.record(data.load(config, spark), config)
    assert counted["rows"]["test"] == 50
    assert counted["rows"]["train"] + counted["rows"]["validation"] == 200
    assert counted["bad"]["rows"] == 0


@pytest.mark.cluster
@pytest.mark.slow
def test_the_real_archive(spark: SparkSession, real_data: Path) -> None:
    path = real_data / "cifar10" / "cifar-10-python.tar.gz"
    config = DataConfig(source=CifarArchiveSource(path=str(path)))
    table = data.load(config, spark)
    counted = data.record(table, config)
    assert counted["rows"]["test"] == 2000
    assert counted["rows"]["train"] + counted["rows"]["validation"] == 10_000
    # A tenth of each class, to a row.
    pairs = zip(
        counted["class_counts"]["train"], counted["class_counts"]["validation"], strict=True
    )
    assert all(abs(held - (kept + held) / 10) <= 0.5 for kept, held in pairs)
    assert table.labels is not None and table.labels[:2] == ("airplane", "automobile")
    assert json.dumps(counted)
