"""Files to files, in batch and in a stream that is killed."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

import nets
from workbench.errors import DataError
from workbench.scoring import read_model, score_files
from workbench.scoring.files import Paths

pytestmark = pytest.mark.cluster


def write(path: Path, pictures: np.ndarray, start: int, rows: int) -> None:
    """A table of `rows` pictures, named by id; whole at once, as a stream has to find it."""
    ids = range(start, start + rows)
    contents = [pictures[i % len(pictures)].tobytes() for i in ids]
    table = pa.table({"id": list(ids), "image": pa.array(contents, pa.binary())})
    pq.write_table(table, path.with_name(f".{path.name}"))
    path.with_name(f".{path.name}").rename(path)


@pytest.mark.parametrize("form", ["parquet", "json", "csv"])
def test_rows_are_written_with_their_answers(
    spark: Any, picture_net: Path, pictures: np.ndarray, tmp_path: Path, form: str
) -> None:
    write(tmp_path / "in.parquet", pictures, 0, 30)
    paths = Paths(
        input=str(tmp_path / "in.parquet"),
        output=str(tmp_path / "out"),
        output_format=form,
        features=("image",),
    )
    done = score_files(spark, read_model(picture_net), paths)
    assert (done.rows, done.without_prediction) == (30, 0)
    with torch.inference_mode():
        best = nets.load(picture_net)(torch.from_numpy(pictures[:30].copy())).argmax(1)
    found: dict[int, Any] = {}
    for file in (tmp_path / "out").glob(f"part-*.{form}"):
        if form == "parquet":
            rows = pq.read_table(file).to_pylist()
        elif form == "json":
            rows = [json.loads(line) for line in file.read_text().splitlines()]
        else:
            rows = list(csv.DictReader(file.open()))
        found |= {int(row["id"]): row for row in rows}
    assert {i: float(row["prediction"]) for i, row in found.items()} == dict(
        enumerate(best.tolist())
    )
    assert "image" not in found[0] and "probability" in found[0]
    with pytest.raises(DataError, match="Name a new folder"):
        score_files(spark, read_model(picture_net), paths)
    assert score_files(spark, read_model(picture_net), paths, overwrite=True).rows == 30


def test_a_folder_of_picture_files(
    spark: Any, picture_net: Path, pictures: np.ndarray, tmp_path: Path
) -> None:
    from PIL import Image

    (tmp_path / "in").mkdir()
    for i in range(3):
        Image.fromarray(pictures[i, 0], "L").save(tmp_path / f"in/{i}.png")
    (tmp_path / "in/3.png").write_bytes(b"no picture at all")
    paths = Paths(
        input=str(tmp_path / "in"),
        output=str(tmp_path / "out"),
        format="binaryFile",
        keep=("path",),
    )
    done = score_files(spark, read_model(picture_net), paths)
    assert (done.rows, done.without_prediction) == (4, 1)
    rows = pq.read_table(tmp_path / "out").to_pylist()
    (bad,) = (row for row in rows if row["reason"])
    assert bad["path"].endswith("3.png") and bad["prediction"] is None


def test_empty_files_and_names_that_begin_with_an_underscore_are_rows(
    spark: Any, picture_net: Path, pictures: np.ndarray, tmp_path: Path
) -> None:
    from PIL import Image

    (tmp_path / "in").mkdir()
    for name in ("a", "_b", ".c"):
        Image.fromarray(pictures[0, 0], "L").save(tmp_path / f"in/{name}.png")
    (tmp_path / "in/empty.png").write_bytes(b"")
    paths = Paths(
        input=str(tmp_path / "in"),
        output=str(tmp_path / "out"),
        format="binaryFile",
        keep=("path",),
    )
    done = score_files(spark, read_model(picture_net), paths)
    assert (done.rows, done.without_prediction, sum(done.unread.values())) == (3, 1, 1)
    rows = pq.read_table(tmp_path / "out").to_pylist()
    (bad,) = (row for row in rows if row["reason"])
    assert bad["path"].endswith("/empty.png")


def test_a_damaged_table_is_one_sentence(spark: Any, picture_net: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.parquet").write_bytes(b"no table")
    paths = Paths(input=str(tmp_path / "bad.parquet"), output=str(tmp_path / "out"))
    with pytest.raises(DataError, match=r"bad\.parquet.*--format") as caught:
        score_files(spark, read_model(picture_net), paths)
    assert "\n" not in str(caught.value) and "Exception" not in str(caught.value)


def test_what_cannot_be_read_is_said(spark: Any, picture_net: Path, tmp_path: Path) -> None:
    paths = Paths(input=str(tmp_path / "nothing"), output=str(tmp_path / "out"))
    with pytest.raises(DataError, match="cannot be read as parquet"):
        score_files(spark, read_model(picture_net), paths)


@pytest.mark.slow
def test_a_stream_that_is_killed_neither_loses_nor_doubles_a_row(
    spark: Any, picture_net: Path, pictures: np.ndarray, tmp_path: Path
) -> None:
    inbox, out = tmp_path / "inbox", tmp_path / "out"
    inbox.mkdir()
    for number in range(30):
        write(inbox / f"{number:03d}.parquet", pictures, 20 * number, 20)
    command = [sys.executable, "-m", "workbench", "score", str(picture_net), "--input", str(inbox)]
    command += ["--output", str(out), "--stream", "--checkpoint", str(tmp_path / "state")]
    command += ["--features", "image", "--master", "local[1]", "--once"]

    def complete() -> int:
        return len([f for f in out.glob("_spark_metadata/*") if f.name[0] != "."])

    with (tmp_path / "log").open("w") as log:
        slowly = [*command, "--files-per-batch", "1"]
        first = subprocess.Popen(slowly, stdout=log, stderr=log, start_new_session=True)
        try:
            while complete() < 3:
                assert first.poll() is None, (tmp_path / "log").read_text()
                time.sleep(0.05)
        finally:
            os.killpg(first.pid, signal.SIGKILL)  # Python and its JVM, in the middle of a batch
            first.wait()
    assert complete() < 30
    write(inbox / "late.parquet", pictures, 600, 20)
    again = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert again.returncode == 0, again.stderr
    rows = spark.read.parquet(str(out)).select("id", "prediction").collect()
    assert sorted(row["id"] for row in rows) == list(range(620))
    assert all(row["prediction"] is not None for row in rows)
