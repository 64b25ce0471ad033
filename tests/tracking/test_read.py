"""Reading by SQL and through MLflow's API: the same answers."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tracking import MlflowRecorder, Reader
from tracking.database import DatabaseTable
from tracking.errors import ArtifactError, QueryError, RunNotFoundError, TrackingError
from tracking.served import ServedTable


@pytest.fixture
def recorder(uri: str) -> Iterator[MlflowRecorder]:
    made = MlflowRecorder(uri)
    yield made
    made.close()


@pytest.fixture(params=["database", "served"])
def reader(request: pytest.FixtureRequest, recorder: MlflowRecorder) -> Reader:
    made = Reader(recorder.uri)
    if request.param == "served":
        made.table = ServedTable(recorder.uri)
    return made


def start(recorder: MlflowRecorder, name: str = "run", kind: str = "train", **more: str) -> str:
    return recorder.start("one", name, params={"p": name}, tags={"workbench.kind": kind}, **more)


def test_runs_of_an_experiment_begun_after_the_reader(
    reader: Reader, recorder: MlflowRecorder
) -> None:
    run_id = start(recorder)
    assert [run.run_id for run in reader.runs(experiment="one")] == [run_id]
    assert reader.run(run_id).experiment == reader.run(run_id[:8]).experiment == "one"


def test_an_experiment_that_is_not_there(reader: Reader, recorder: MlflowRecorder) -> None:
    with pytest.raises(QueryError, match="Known: none yet"):
        reader.runs(experiment="two")
    start(recorder)
    with pytest.raises(QueryError, match="Known: one"):
        reader.runs(experiment="two")


def test_a_run_by_its_names(reader: Reader, recorder: MlflowRecorder) -> None:
    with pytest.raises(RunNotFoundError, match="no runs yet"):
        reader.run("latest")
    first = start(recorder)
    sweep = start(recorder, kind="sweep")
    trial = start(recorder, kind="trial", parent=sweep)
    assert reader.run("latest").run_id == sweep
    assert reader.run(trial[:6]).parent == sweep
    recorder.client.delete_run(first)
    assert reader.run(first).deleted


@pytest.mark.parametrize("name", ["", "abc", "../etc", "0123456789abcdef" * 3, "%%%%", "a' OR 1=1"])
def test_a_name_that_is_none(reader: Reader, name: str) -> None:
    with pytest.raises(RunNotFoundError, match="A run is named by"):
        reader.run(name)


@pytest.mark.parametrize("name", ["0" * 32, "0000"])
def test_a_run_that_is_not_there(reader: Reader, name: str) -> None:
    with pytest.raises(RunNotFoundError, match="There is no run '0000"):
        reader.run(name)


def test_letters_that_begin_several_runs(
    reader: Reader, recorder: MlflowRecorder, tmp_path: Path
) -> None:
    start(recorder)
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as database:
        columns = "name, source_type, status, start_time, lifecycle_stage, experiment_id, user_id"
        for digit in "12":
            database.execute(
                f"INSERT INTO runs (run_uuid, {columns}) SELECT ?, {columns} FROM runs LIMIT 1",
                ("abcd" + digit * 28,),
            )
        database.commit()
    with pytest.raises(RunNotFoundError, match="Several runs begin with 'abcd'"):
        reader.run("abcd")
    assert reader.run("abcd2").run_id == "abcd" + "2" * 28


def test_the_course_of_all_metrics(reader: Reader, recorder: MlflowRecorder) -> None:
    run_id = start(recorder)
    for step in (3, 1, 2):
        recorder.metrics(run_id, {"a": step / 10, "b": -step}, step)
    recorder.flush()
    assert reader.history(run_id) == {
        "a": [(1, 0.1), (2, 0.2), (3, 0.3)],
        "b": [(1, -1.0), (2, -2.0), (3, -3.0)],
    }


def test_the_trials_of_a_sweep(reader: Reader, recorder: MlflowRecorder) -> None:
    sweep = start(recorder, kind="sweep")
    trials = [start(recorder, f"trial-{i}", "trial", parent=sweep) for i in range(3)]
    start(recorder, "another", "trial")
    assert [run.run_id for run in reader.children(sweep)] == trials
    with pytest.raises(RunNotFoundError):
        reader.children("' OR ''='")


def test_files_are_read_by_listed_name_only(
    reader: Reader, recorder: MlflowRecorder, tmp_path: Path
) -> None:
    run_id, other = start(recorder), start(recorder)
    recorder.artifact_dict(run_id, "evaluation/test.json", {"x": 1})
    recorder.artifact_dict(other, "secret.json", {"x": 2})
    assert reader.artifacts(run_id) == ["evaluation/test.json"]
    assert reader.artifacts(run_id, "evaluation") == ["evaluation/test.json"]
    assert reader.artifacts(run_id, "nothing") == []
    target = tmp_path / "to"
    target.mkdir()
    assert reader.download(run_id, "evaluation/test.json", target).read_text() == '{\n  "x": 1\n}'
    for path in ("evaluation", "evaluation/none.json", "", "."):
        with pytest.raises(TrackingError):
            reader.download(run_id, path, target)
    for path in (f"../../{other}/artifacts/secret.json", "/etc/passwd", "evaluation/../../x"):
        with pytest.raises(TrackingError, match="stay in the run's folder"):
            reader.download(run_id, path, target)
        with pytest.raises(TrackingError, match="stay in the run's folder"):
            reader.artifacts(run_id, path)
    with pytest.raises(RunNotFoundError):
        reader.artifacts(f"../{other}")


def test_mlflow_lists_the_files_of_a_run_with_a_logged_model(
    recorder: MlflowRecorder,
) -> None:
    """The model's files lie elsewhere."""
    run_id, table = start(recorder), DatabaseTable(recorder.uri)
    info = recorder.client.get_run(run_id).info
    assert table.artifact_uri(run_id) == info.artifact_uri
    recorder.client.create_logged_model(info.experiment_id, name="net", source_run_id=run_id)
    assert table.artifact_uri(run_id) is None


def test_a_file_that_vanished(recorder: MlflowRecorder, tmp_path: Path) -> None:
    run_id = start(recorder)
    recorder.artifact_dict(run_id, "a/x.json", {})
    reader = Reader(recorder.uri)
    (file,) = (tmp_path / "artifacts").rglob("x.json")
    file.unlink()
    with pytest.raises(ArtifactError, match="has no file"):
        reader.download(run_id, "a/x.json", tmp_path)


def test_a_database_that_breaks_is_named(recorder: MlflowRecorder) -> None:
    run_id = start(recorder)
    reader = Reader(recorder.uri)
    reader.table.load([run_id])
    with closing(sqlite3.connect(recorder.uri.removeprefix("sqlite:///"))) as database:
        database.execute("ALTER TABLE runs RENAME TO gone")
    for ask in (lambda: reader.run(run_id), reader.runs):
        with pytest.raises(
            TrackingError, match=r"store sqlite:///.* refused: .*no such table: runs"
        ):
            ask()
