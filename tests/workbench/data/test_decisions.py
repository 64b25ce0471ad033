"""What `data describe` says about a table: leaks, splits, classes, rows set aside."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from pyspark.sql import SparkSession

from workbench import data
from workbench.data.config import DataConfig
from workbench.data.sources import ImageFolderSource, TableSource, TsFileSource
from workbench.errors import DataError
from workbench.preflight.decisions import list_decisions

pytestmark = pytest.mark.cluster


def test_leaks_and_classes_are_said(spark: SparkSession, tmp_path: Path) -> None:
    rows = [f"{(i * 37) % 101 / 7},{i % 3 * 10},k{i % 3 + 9}" for i in range(60)]
    (tmp_path / "train.csv").write_text("\n".join(["a,code,label", *rows]))
    (tmp_path / "test.csv").write_text("\n".join(["a,code,label", *rows[:12], "NA,1,k9"]))
    config = DataConfig(source=TableSource(path=str(tmp_path), format="csv"), max_bad_share=0.1)
    canonical = data.load(config, spark)
    said = "\n".join(list_decisions(canonical, data.summarize(canonical, config)))
    assert "Leak: the feature code says the label" in said
    assert "the feature a says" not in said
    assert " test samples are in the training split too" in said
    assert "Classes, in this order: k9, k10, k11." in said
    assert "Splits: test as the source gives it." in said
    assert "Splits: validation drawn from the training rows by rows" in said
    assert "Rows set aside: 1 (1 a feature that is null, NaN or infinite)" in said


def test_what_is_done_to_pictures_is_said(spark: SparkSession, tmp_path: Path) -> None:
    for i, name in enumerate(("cat", "cat dog", "dog") * 4):
        (tmp_path / name).mkdir(exist_ok=True)
        size = (8, 8) if i < 9 else (8, 4)
        Image.new("RGB", size, (i, 0, 0)).save(tmp_path / name / f"{i}.png")
    config = DataConfig(source=ImageFolderSource(path=str(tmp_path), shape=(1, 8, 8)))
    canonical = data.load(config, spark)
    said = "\n".join(list_decisions(canonical, data.summarize(canonical, config)))
    assert (
        "Pictures: 3 scaled to 8 x 8 (data.source.shape); 3 of other proportions, of which the middle "
        "is kept; 12 in colour, made grey."
    ) in said
    assert "Maybe several classes of one sample: 'cat dog'." in said


def test_a_ts_file_whose_class_is_not_in_its_header(spark: SparkSession, tmp_path: Path) -> None:
    text = "@univariate true\n@classLabel true a b\n@data\n" + "1,2,3:c\n" * 4
    (tmp_path / "x.ts").write_text(text)
    with pytest.raises(DataError, match=r"class 'c' is not in the header \(4 lines\)"):
        data.read(TsFileSource(path=str(tmp_path / "x.ts")), spark)
