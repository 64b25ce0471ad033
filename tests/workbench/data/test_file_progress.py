"""Notes while many files are read."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from pyspark.sql import SparkSession

from workbench import data
from workbench.data.file_progress import describe_pace, watch_files
from workbench.data.sources import ImageFolderSource
from workbench.progress import Events


def test_pace_and_time_left() -> None:
    text = "12,000 of 70,000 files read, 1,200 a second, about 48 s left"
    assert describe_pace(12_000, 70_000, 10.0) == text


@pytest.mark.cluster
def test_files_are_counted_while_they_are_read(spark: SparkSession, tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        Image.new("L", (8, 8)).save(tmp_path / name / "a.png")
    read = data.read(ImageFolderSource(path=str(tmp_path), shape=(1, 8, 8)), spark)

    def sleep(batches: Iterator[Any]) -> Iterator[Any]:
        time.sleep(0.4)
        yield from batches

    slow = spark.range(3000, numPartitions=6).mapInPandas(sleep, "id long")
    frame = replace(read, decoded=slow, num_files=3000)
    with watch_files(frame, Events(tmp_path / "events"), interval_s=0.05):
        assert slow.count() == 3000
    lines = map(json.loads, (tmp_path / "events").read_text().splitlines())
    notes = [line["text"] for line in lines if line["what"] == "note"]
    assert notes and all("of 3,000 files read" in text for text in notes)
    done = [int(text.split(" of ")[0].replace(",", "")) for text in notes]
    assert done == sorted(done) and 0 < done[0] < 3000
