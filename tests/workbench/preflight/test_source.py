"""Describing data: on real pictures, on data that is not fit to train on, and from the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from nets import PreparationConfig
from nets.errors import ConfigError
from workbench.cluster import Session
from workbench.data.config import DataConfig
from workbench.data.guess import guess_source
from workbench.data.sources import ImageFolderSource, TableSource
from workbench.errors import DataError
from workbench.preflight.named import resolve
from workbench.preflight.source import Description, describe


def described(session: Session, sheet: Path | None = None, **data: Any) -> Description:
    before = persisted(session)
    found = describe(DataConfig(**data), PreparationConfig(), session.spark, samples=sheet)
    # What others left may go at any moment; nothing may come.
    assert persisted(session) <= before
    return found


def persisted(session: Session) -> set[int]:
    """Numbers of what Spark keeps."""
    return set(session.spark.sparkContext._jsc.getPersistentRDDs().keySet())


@pytest.mark.cluster
def test_digits_are_described_and_drawn(session: Session, tmp_path: Path, home: Path) -> None:
    sheet = tmp_path / "sheets" / "digits.png"
    others = set((home / "cache").glob("*"))
    found = described(session, sheet)
    assert sum(found.rows.values()) == 1797
    assert found.spec["shape"] == [1, 8, 8] and found.sample_bytes == 64
    assert found.num_bytes == 1797 * 64
    assert found.balance is not None and 0.9 < found.balance < 1
    assert found.problem is None and found.bad["rows"] == 0
    assert found.fingerprint != found.content
    pixels = np.asarray(Image.open(sheet))
    assert found.samples == str(sheet)
    # Ten rows of ten tiles of 64 pixels with their class before them.
    assert pixels.shape[0] == 10 * (64 + 4) and pixels.shape[1] > 10 * 64
    assert {0, 255} <= set(np.unique(pixels[:, -640:]))  # black is black
    assert described(session).content == found.content
    assert set((home / "cache").glob("*")) <= others  # the rows' files are gone


@pytest.mark.cluster
def test_data_not_fit_to_train_on_is_described_all_the_same(
    session: Session, tmp_path: Path
) -> None:
    for i in range(4):
        folder = tmp_path / ("cat" if i else "dog")
        folder.mkdir(exist_ok=True)
        Image.new("RGB", (5 + i, 4), (i, 0, 0)).save(folder / f"{i}.png")
    (tmp_path / "cat" / "broken.png").write_bytes(b"none")
    source = ImageFolderSource(path=str(tmp_path), shape=(3, 4, 4))
    found = described(session, tmp_path / "sheet.png", source=source)
    assert found.labels == ("cat", "dog")
    assert found.bad == {
        "rows": 1,
        "examples": [{"key": "cat/broken.png", "reason": "not a picture that Pillow knows"}],
    }
    assert found.problem is not None and "1 of 5 rows are bad" in found.problem
    assert found.missing_classes["train"] == ["dog"]
    assert Path(found.samples or "").is_file()


@pytest.mark.cluster
def test_measured_labels_and_weights_are_summed_up(session: Session, tmp_path: Path) -> None:
    rows = "".join(f"{i * i % 7},{i / 10},1\n" for i in range(50))
    (tmp_path / "t.csv").write_text("x,y,w\n" + rows)
    source = TableSource(
        path=str(tmp_path / "t.csv"), format="csv", label="y", task="values", weight="w"
    )
    found = described(session, tmp_path / "sheet.png", source=source)
    assert found.labels is None and found.balance is None and found.class_counts == {}
    assert found.figures["label"] == {"min": 0.0, "mean": pytest.approx(2.45), "max": 4.9}
    assert found.figures["weight"]["max"] == 1.0
    assert Path(found.samples or "").is_file()


def test_names_say_what_kind_of_data_lies_there(tmp_path: Path, real_data: Path) -> None:
    kinds = {
        "fashion-mnist": "idx",
        "cifar10/train.parquet": "image_table",
        "cifar10/images": "image_folder",
        "cifar10/cifar-10-python.tar.gz": "cifar_archive",
        "japanese-vowels": "ts_file",
        "names": "text",
        "ett/ETTh1.csv": "series",
    }
    for path, kind in kinds.items():
        assert guess_source(str(real_data / path))["kind"] == kind, path
    with pytest.raises(DataError, match="is of no known kind of data"):
        guess_source(str(tmp_path))


def test_a_source_is_named_by_experiment_path_or_settings(tmp_path: Path) -> None:
    assert resolve("digits_rnn").data.source.kind == "digits"
    table = tmp_path / "t.csv"
    table.write_text("a,b\n1,2\n")
    made = resolve(str(table), {"data.source.label": "b", "data.split.test": "0.5"})
    assert made.data.source == TableSource(path=str(table), format="csv", label="b")
    assert made.data.split.test == 0.5
    settings = json.dumps({"kind": "image_folder", "path": "x", "shape": [1, 8, 8]})
    assert resolve(settings).data.source == ImageFolderSource(path="x", shape=(1, 8, 8))
    with pytest.raises(ConfigError, match="SOURCE is not JSON"):
        resolve("{kind")
    with pytest.raises(ConfigError, match="Unknown experiment 'nowhere'"):
        resolve("nowhere")


def test_a_series_given_as_json_is_split_by_time_or_as_set() -> None:
    text = '{"kind": "series", "path": "t.csv", "targets": ["y"]}'
    assert resolve(text).data.split.by == "time"
    assert resolve(text, {"data.split.by": "group"}).data.split.by == "group"
