"""Rows as files, written by a task."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from workbench.bridge import spark_writer


@pytest.fixture
def name() -> Iterator[str]:
    folder_name = spark_writer.create_folder_name()
    yield folder_name
    spark_writer.remove_folder(folder_name)


def batch(*rows: tuple[str, bytes]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([{"split": s, "features": f} for s, f in rows])


def write(folder: str, *batches: pa.RecordBatch, shared: bool = False) -> list[dict[str, object]]:
    shards = spark_writer.write_shards(iter(batches), folder, num_bytes=100, shared=shared)
    return [row for batch in shards for row in batch.to_pylist()]


def test_every_split_has_its_file_and_every_row_is_in_one(name: str) -> None:
    shards = write(
        name, batch(("train", b"a"), ("test", b"b"), ("train", b"c")), batch(("train", b"d"))
    )
    features = {
        row["split"]: pa.ipc.open_file(str(row["path"])).read_all()["features"].to_pylist()
        for row in shards
    }
    assert features == {"train": [b"a", b"c", b"d"], "test": [b"b"]}
    assert {row["split"]: row["rows"] for row in shards} == {"train": 3, "test": 1}
    assert {row["host"] for row in shards} == {socket.gethostname()}


def test_only_the_owner_may_look(name: str) -> None:
    (shard,) = write(name, batch(("train", b"a")))
    assert Path(str(shard["path"])).parent.stat().st_mode & 0o077 == 0


def test_a_task_without_rows_says_nothing(name: str) -> None:
    assert write(name) == []


def test_a_large_split_is_cut_into_files(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spark_writer, "_SHARD_BYTES", 8)
    shards = write(name, *(batch(("train", bytes(8))) for _ in range(3)))
    assert [row["rows"] for row in shards] == [1, 1, 1]
    assert len({row["path"] for row in shards}) == 3


def test_a_folder_that_all_see_belongs_to_no_host(tmp_path: Path) -> None:
    (shard,) = write(str(tmp_path / "rows"), batch(("train", b"a")), shared=True)
    assert shard["host"] == "" and str(shard["path"]).startswith(str(tmp_path))


def test_more_than_a_part_of_the_free_memory_goes_to_disk(name: str) -> None:
    assert spark_writer.choose_folder(name, 10**15).parent != spark_writer.MEMORY


def test_what_a_killed_process_left_is_removed_and_what_a_living_one_has_is_not(name: str) -> None:
    gone = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True
    )
    dead = spark_writer.create_folder_name().replace(f"-{os.getpid()}-", f"-{int(gone.stdout)}-")
    for folder in (dead, name):
        write(folder, batch(("train", b"a")))
    spark_writer.remove_leftovers()
    assert not spark_writer.choose_folder(dead, 1).exists()
    assert spark_writer.choose_folder(name, 1).exists()
