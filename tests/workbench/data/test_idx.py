"""IDX files: whole, in every spelling, and broken."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyspark.sql import SparkSession

from nets.errors import ConfigError
from workbench import data
from workbench.data.config import DataConfig, SplitConfig
from workbench.data.sources import IdxSource, arrays, idx
from workbench.data.sources.idx import FASHION
from workbench.errors import DataError


def encoded(values: np.ndarray, kind: int = 8) -> bytes:
    header = struct.pack(f">HBB{values.ndim}I", 0, kind, values.ndim, *values.shape)
    return header + values.astype(np.uint8).tobytes()


def folder(root: Path, ending: str = "", **files: bytes | None) -> Path:
    """Six training and two test pictures of 2x3, picture i holding i to i + 5; labels 0, 1, 0, ..."""
    root.mkdir(exist_ok=True)
    for prefix, count in (("train", 6), ("t10k", 2)):
        pictures = np.arange(count)[:, None, None] + np.arange(6).reshape(2, 3)
        content = {"images-idx3": encoded(pictures), "labels-idx1": encoded(np.arange(count) % 2)}
        for kind, body in content.items():
            body = files.get(f"{prefix}_{kind[:6]}", body)
            if body is not None:
                packed = gzip.compress(body) if ending else body
                (root / f"{prefix}-{kind}-ubyte{ending}").write_bytes(packed)
    return root


def refused(root: Path, **settings: Any) -> str:
    """The message, whether the header shows the fault or the reading of the pictures does."""
    with pytest.raises(DataError) as caught:
        source = IdxSource(path=str(root), **settings)
        idx.read(source, None)  # type: ignore[arg-type]
    return str(caught.value)


@pytest.mark.cluster
@pytest.mark.parametrize("ending", ["", ".gz"])
def test_pictures_labels_and_the_test_set_are_read(
    spark: SparkSession, tmp_path: Path, ending: str
) -> None:
    source = IdxSource(path=str(folder(tmp_path / "mnist", ending)))
    canonical = data.load(DataConfig(source=source, split=SplitConfig(validation=0)), spark)
    assert canonical.spec.shape == (1, 2, 3)
    assert canonical.labels == ("0", "1")  # those that are there
    rows = {row["key"]: row for row in canonical.frame.collect()}
    assert len(rows) == 8
    assert bytes(rows["train/00004"]["features"]) == bytes(range(4, 10))
    assert [rows[f"train/0000{i}"]["label"] for i in range(6)] == [0, 1] * 3
    assert {key for key, row in rows.items() if row["split"] == "test"} == {
        "test/00000",
        "test/00001",
    }


@pytest.mark.cluster
def test_labels_that_begin_with_1_and_names_before_those_of_mnist(
    spark: SparkSession, tmp_path: Path
) -> None:
    labels = {
        f"{prefix}_labels": encoded(np.arange(n) % 2 + 1)
        for prefix, n in (("train", 6), ("t10k", 2))
    }
    root = folder(tmp_path / "emnist", ".gz", **labels)
    for path in list(root.iterdir()):
        path.rename(root / f"emnist-letters-{path.name.replace('t10k', 'test')}")
    canonical = idx.read(IdxSource(path=str(root)), spark)
    assert canonical.labels == ("1", "2") and canonical.official_test
    rows = canonical.frame.collect()
    assert sorted(row["label"] for row in rows) == [0] * 4 + [1] * 4
    (root / "emnist-digits-train-images-idx3-ubyte").write_bytes(b"x")
    assert "holds several data sets" in refused(root)


@pytest.mark.cluster
def test_fashion_mnist_as_it_is_published(spark: SparkSession, real_data: Path) -> None:
    source = IdxSource(path=str(real_data / "fashion-mnist"))
    config = DataConfig(source=source)
    canonical = data.load(config, spark)
    assert canonical.labels == FASHION
    counts = data.record(canonical, config)["class_counts"]
    assert counts == {"train": [5400] * 10, "validation": [600] * 10, "test": [1000] * 10}


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"train_images": None}, "must hold train-images-idx3-ubyte and .* got t10k-images"),
        ({"t10k_labels": None}, "must hold t10k-images-idx3-ubyte and"),
        ({"train_images": b"no idx"}, "train-images-idx3-ubyte is no IDX file .*its first bytes"),
        ({"train_images": b""}, "is no IDX file of unsigned bytes"),
        ({"train_images": encoded(np.zeros((6, 2, 3)), 0x0D)}, "its first bytes are 0000 0d 03"),
        ({"train_images": struct.pack(">HBB3I", 0, 8, 3, 6, 9**6, 9**6)}, "it states 6 x 531441"),
        ({"train_images": encoded(np.zeros((5, 2, 3)))}, "has 5 pictures and .* 6 labels"),
        ({"train_images": encoded(np.zeros((6, 3, 3)))}, "Pictures in .* must have one size"),
        ({"train_images": encoded(np.zeros(6))}, "Pictures in .* must have one size"),
        ({"train_labels": encoded(np.zeros((6, 1)))}, r"must have 1 dimension\(s\), got 2"),
        ({"train_labels": encoded(np.zeros(6))[:-2]}, "2 bytes are missing that its header states"),
    ],
)
def test_broken_files_are_refused_by_name(
    tmp_path: Path, files: dict[str, bytes | None], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        idx.read(IdxSource(path=str(folder(tmp_path / "set", **files))), None)  # type: ignore[arg-type]


def test_pictures_cut_short_are_refused(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        arrays, "reads_our_files", lambda _: True
    )  # as a Spark on this machine does
    whole = encoded(np.zeros((6, 2, 3)))
    root = folder(tmp_path / "set", train_images=whole[:-1])
    kept = set((home / "cache").glob("*"))  # by tests before this one
    assert "1 bytes are missing" in refused(root)
    assert set((home / "cache").glob("*")) == kept  # what was written before the fault is gone
    zipped = folder(tmp_path / "zipped", ".gz") / "train-images-idx3-ubyte.gz"
    noise = np.random.default_rng(0).integers(0, 256, (6, 2, 3))
    zipped.write_bytes(gzip.compress(encoded(noise))[:-20])
    assert "is cut short or damaged" in refused(zipped.parent)


def test_labels_beyond_the_named_classes_are_refused(tmp_path: Path) -> None:
    root = folder(tmp_path / "set", train_labels=encoded(np.array([0, 1, 2, 0, 1, 2])))
    assert "names 2 classes, and a label of" in refused(root, classes=("a", "b"))
    with pytest.raises(ConfigError, match="at least two different names"):
        IdxSource(path=str(root), classes=("a", "a"))
