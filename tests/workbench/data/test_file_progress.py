"""Notes while many files are read."""

from __future__ import annotations

import io
import json
from pathlib import Path

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
    buffer = io.BytesIO()
    Image.effect_noise((64, 64), 50).save(buffer, "PNG")
    for i in range(3000):
        (tmp_path / f"c{i % 2}").mkdir(exist_ok=True)
        (tmp_path / f"c{i % 2}" / f"{i}.png").write_bytes(buffer.getvalue())
    source = ImageFolderSource(path=str(tmp_path), shape=(3, 96, 96))
    frame = data.read(source, spark)
    assert frame.decoded is not None and frame.num_files == 3000
    with watch_files(frame, Events(tmp_path / "events"), interval_s=0.05):
        assert frame.decoded.count() == 3000
    frame.decoded.unpersist()
    lines = map(json.loads, (tmp_path / "events").read_text().splitlines())
    notes = [line["text"] for line in lines if line["what"] == "note"]
    assert notes and all("of 3,000 files read" in text for text in notes)
    done = [int(text.split(" of ")[0].replace(",", "")) for text in notes]
    assert done == sorted(done) and 0 < done[0] < 3000
