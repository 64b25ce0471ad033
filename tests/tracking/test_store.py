from __future__ import annotations

import os
import socket
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from tracking import MlflowRecorder, Reader, check, store_uri
from tracking.errors import TrackingError
from tracking.store import artifact_root, connect, hide_passwords, sqlite_file


def test_which_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WORKBENCH_HOME")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert store_uri() == f"sqlite:///{tmp_path}/.workbench/mlflow.db"
    monkeypatch.setenv("WORKBENCH_HOME", "elsewhere")
    assert store_uri() == f"sqlite:///{tmp_path}/elsewhere/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracking:5000")
    assert store_uri() == "http://tracking:5000"
    assert store_uri("sqlite:///mine.db") == f"sqlite:///{tmp_path}/mine.db"


def test_files_lie_beside_the_database(uri: str, tmp_path: Path) -> None:
    recorder = MlflowRecorder(uri)
    run_id = recorder.start("a/b: ü" + "x" * 100, "run", params={}, tags={})
    recorder.artifact_dict(run_id, "x.json", {})
    recorder.close()
    (file,) = (tmp_path / "artifacts").rglob("x.json")
    assert file.parts[len(tmp_path.parts) + 1].startswith("a_b__ü")
    assert artifact_root("http://tracking:5000", "x") is None


def test_a_folder_with_spaces_and_percents(empty_store: Path, tmp_path: Path) -> None:
    folder = tmp_path / "my runs 100%"
    folder.mkdir()
    os.link(empty_store, folder / "mlflow.db")
    recorder = MlflowRecorder(f"sqlite:///{folder}/mlflow.db")
    run_id = recorder.start("spaces", "run", params={}, tags={})
    recorder.artifact_dict(run_id, "x.json", {})
    recorder.close()
    assert Reader(recorder.uri).artifacts(run_id) == ["x.json"]
    assert len(list((folder / "artifacts").rglob("x.json"))) == 1


def test_a_store_is_made_whole_by_whoever_is_first(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/new/mlflow.db"
    assert check(uri) == f"{uri} (the first run creates it)" and not (tmp_path / "new").exists()
    failed: list[BaseException] = []

    def work(number: int) -> None:
        try:
            recorder = MlflowRecorder(uri)
            recorder.start(f"experiment {number % 2}", "run", params={}, tags={})
            recorder.close()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert len(Reader(uri).runs()) == 3
    assert check(uri) == f"{uri} (3 experiments)"  # MLflow's own Default is one
    assert {p.name for p in (tmp_path / "new").iterdir()} <= {
        "mlflow.db",
        "mlflow.db-wal",
        "mlflow.db-shm",
    }


def test_reading_goes_on_while_a_writer_holds_the_database(uri: str, tmp_path: Path) -> None:
    recorder = MlflowRecorder(uri)
    run_id = recorder.start("busy", "run", params={}, tags={})
    recorder.close()
    reader = Reader(uri)
    with closing(sqlite3.connect(tmp_path / "mlflow.db", isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("UPDATE runs SET name = 'changed'")
        assert reader.run(run_id).name == "run"
        writer.execute("ROLLBACK")


@pytest.mark.parametrize("uri", ["./mlruns", "file:///tmp/mlruns", "ftp://x/y", "nonsense"])
def test_an_address_that_is_no_store(uri: str) -> None:
    with pytest.raises(
        TrackingError, match=r"A tracking store is an MLflow server .* or a database"
    ):
        connect(uri)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_text("something else " * 100)
    with pytest.raises(TrackingError, match="not a database"):
        check(f"sqlite:///{tmp_path}/x.db")


def test_a_database_of_a_newer_mlflow(uri: str, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as database:
        database.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
        database.commit()
    with pytest.raises(TrackingError, match="out-of-date database schema"):
        connect(uri)


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:1", "postgresql://me:s3cret@127.0.0.1:1/runs"]
)
def test_nobody_listens(address: str) -> None:
    with pytest.raises(TrackingError, match="cannot be reached: Connection refused") as caught:
        MlflowRecorder(address)
    assert "s3cret" not in str(caught.value) and "MLFLOW_TRACKING_URI" in str(caught.value)


def test_a_database_whose_driver_is_not_installed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        with pytest.raises(TrackingError, match="pip install psycopg2"):
            connect(f"postgresql+psycopg2://me@127.0.0.1:{port}/runs")


@pytest.mark.parametrize(
    "address",
    [
        "https://me:s3cret@host/x",
        "postgresql://me:s3:cr/et@host:1/x",
        "postgresql://me:s3@cret@host:1/x",
        "postgresql://host/x?user=me&password=s3cret&port=1",
        "say http://me:s3cret@host and sqlite:////x.db",
    ],
)
def test_passwords_are_masked(address: str) -> None:
    shown = hide_passwords(address)
    assert "host" in shown and "***" in shown
    assert not any(part in shown for part in ("s3", "cret", "cr/et"))


def test_the_file_of_a_store() -> None:
    assert sqlite_file("sqlite:////a/b.db?timeout=3") == Path("/a/b.db")
    assert sqlite_file("http://host/sqlite:///x") is None
    assert sqlite_file("sqlite://") is None
