"""One contract for recorders, in memory and in a real MLflow store."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tracking import MemoryRecorder, MlflowRecorder, Reader, Recorder, Run
from tracking.errors import ArtifactError, RunNotFoundError, TrackingError

NOWHERE = "0" * 32


class Seen:
    """What a recorder has recorded, read back."""

    def __init__(self, recorder: Recorder, folder: Path) -> None:
        self.recorder, self.folder = recorder, folder

    def run(self, run_id: str) -> Run:
        self.recorder.flush()
        if isinstance(self.recorder, MemoryRecorder):
            return self.recorder.runs[run_id].run
        return Reader(self.recorder.uri).run(run_id)  # type: ignore[attr-defined]

    def history(self, run_id: str) -> dict[str, list[tuple[int, float]]]:
        self.recorder.flush()
        if isinstance(self.recorder, MemoryRecorder):
            stored = self.recorder.runs[run_id].history
            return {
                name: [(s, v) for s, v in sorted(steps.items()) if not math.isnan(v)]
                for name, steps in stored.items()
                if not all(math.isnan(v) for v in steps.values())
            }
        return dict(Reader(self.recorder.uri).history(run_id))  # type: ignore[attr-defined]

    def files(self, run_id: str) -> dict[str, bytes]:
        if isinstance(self.recorder, MemoryRecorder):
            return self.recorder.runs[run_id].artifacts
        reader = Reader(self.recorder.uri)  # type: ignore[attr-defined]
        self.folder.mkdir(exist_ok=True)
        return {
            name: reader.download(run_id, name, self.folder).read_bytes()
            for name in reader.artifacts(run_id)
        }


@pytest.fixture(params=["memory", "mlflow"])
def recorder(request: pytest.FixtureRequest) -> Iterator[Recorder]:
    if request.param == "memory":
        yield MemoryRecorder()
        return
    made = MlflowRecorder(request.getfixturevalue("uri"), interval_s=0.05)
    yield made
    made.close()


@pytest.fixture
def seen(recorder: Recorder, tmp_path: Path) -> Seen:
    return Seen(recorder, tmp_path / "downloaded")


def start(recorder: Recorder, name: str = "a run", **more: Any) -> str:
    return recorder.start("an experiment", name, **({"params": {}, "tags": {}} | more))


def test_a_run_is_found_by_its_first_letters_and_its_files_are_read(recorder: Recorder) -> None:
    run_id = start(recorder, "wide")
    recorder.artifact_dict(run_id, "folder/settings.json", {"width": 8})
    assert recorder.find(run_id[:8]).name == recorder.find(run_id).name == "wide"
    assert recorder.read_dict(run_id, "folder/settings.json") == {"width": 8}
    with pytest.raises(ArtifactError, match="no file"):
        recorder.read_dict(run_id, "other.json")
    with pytest.raises(RunNotFoundError):
        recorder.find("0" * 8)


def test_a_run_begins(recorder: Recorder, seen: Seen) -> None:
    params = {"net.width": 8, "net.layers": [1, 2], "training.learning_rate": 1e-3, "x": None}
    run_id = start(recorder, "wide", params=params, tags={"workbench.kind": "train"})
    run = seen.run(run_id)
    assert (run.run_id, run.name, run.experiment) == (run_id, "wide", "an experiment")
    assert run.params == {
        "net.width": "8",
        "net.layers": "[1, 2]",
        "training.learning_rate": "0.001",
        "x": "None",
    }
    assert (run.status, run.kind, run.parent, run.end) == ("RUNNING", "train", None, None)
    assert run.seconds is not None and 0 <= run.seconds < 60


def test_many_parameters(recorder: Recorder, seen: Seen) -> None:
    params = {f"part.setting_{i}": i for i in range(250)}
    assert len(seen.run(start(recorder, params=params)).params) == 250


def test_metrics_by_step(recorder: Recorder, seen: Seen) -> None:
    run_id = start(recorder)
    for step in (1, 2, 3):
        recorder.metrics(run_id, {"learning_rate": 0.1 / step, "health/conv1/dead": step}, step)
    assert seen.history(run_id) == {
        "learning_rate": [(1, 0.1), (2, 0.05), (3, 0.1 / 3)],
        "health/conv1/dead": [(1, 1.0), (2, 2.0), (3, 3.0)],
    }
    assert seen.run(run_id).metrics == {"learning_rate": 0.1 / 3, "health/conv1/dead": 3.0}


def test_a_step_that_is_repeated_is_dropped(recorder: Recorder, seen: Seen) -> None:
    run_id = start(recorder)
    recorder.metrics(run_id, {"x": 1.0}, 1)
    recorder.metrics(run_id, {"x": 2.0}, 2)
    recorder.metrics(run_id, {"x": 9.0, "y": 5.0}, 1)  # a worker that started over
    recorder.metrics(run_id, {"x": 3.0}, 3)
    assert seen.history(run_id) == {"x": [(1, 1.0), (2, 2.0), (3, 3.0)], "y": [(1, 5.0)]}


def test_the_best_value_so_far(recorder: Recorder, seen: Seen) -> None:
    run_id = start(recorder, best={"speed": "max"})
    for step, value in enumerate((0.5, 0.9, 0.7), start=1):
        values = {"validation/accuracy": value, "validation/loss": value, "speed": value}
        recorder.metrics(run_id, values | {"learning_rate": value, "test/accuracy": value}, step)
    assert {n: v for n, v in seen.run(run_id).metrics.items() if n.startswith("best/")} == {
        "best/validation/accuracy": 0.9,
        "best/validation/loss": 0.5,
        "best/speed": 0.9,
    }
    assert seen.history(run_id)["best/validation/accuracy"] == [(1, 0.5), (2, 0.9)]


def test_nan_is_recorded_and_never_the_best(recorder: Recorder, seen: Seen) -> None:
    run_id = start(recorder)
    recorder.metrics(run_id, {"validation/loss": math.nan, "x": math.nan}, 1)
    recorder.metrics(run_id, {"validation/loss": 0.5}, 2)
    recorder.metrics(run_id, {"validation/loss": math.nan}, 3)
    assert seen.history(run_id)["validation/loss"] == [(2, 0.5)]
    assert seen.run(run_id).metrics["best/validation/loss"] == 0.5
    assert "x" not in seen.run(run_id).metrics


@pytest.mark.parametrize("name", ["", "a//b", "/a", "a/../b", "50%", "a\n", "x" * 251])
def test_a_name_that_mlflow_refuses(recorder: Recorder, name: str) -> None:
    run_id = start(recorder)
    with pytest.raises(TrackingError, match="name has at most 250"):
        recorder.metrics(run_id, {name: 1.0}, 1)
    with pytest.raises(TrackingError, match="name has at most 250"):
        start(recorder, params={name: 1})


def test_tags_are_set_and_replaced(recorder: Recorder, seen: Seen) -> None:
    run_id = start(recorder, tags={"a": "1", "b": "2"})
    recorder.tags(run_id, {"b": "3", "c": "4" * 9000})
    recorder.tags(run_id, {"b": "5"})
    tags = seen.run(run_id).tags
    assert (tags["a"], tags["b"]) == ("1", "5") and tags["c"][:8000] == "4" * 8000


@pytest.mark.parametrize("status", ["FINISHED", "FAILED", "KILLED"])
def test_a_run_ends(recorder: Recorder, seen: Seen, status: Any) -> None:
    run_id = start(recorder)
    recorder.metrics(run_id, {"x": 1.0}, 1)
    recorder.finish(run_id, status)
    run = seen.run(run_id)
    assert run.status == status and run.end is not None and run.start is not None
    assert run.end >= run.start - 0.001 and run.metrics == {"x": 1.0}


def test_values_after_the_end(recorder: Recorder, seen: Seen) -> None:
    run_id = start(recorder)
    recorder.metrics(run_id, {"validation/accuracy": 0.9}, 1)
    recorder.finish(run_id)
    recorder.metrics(run_id, {"validation/accuracy": 0.1, "test/accuracy": 0.8}, 1)
    recorder.tags(run_id, {"late": "yes"})
    run = seen.run(run_id)
    assert (run.status, run.tags["late"]) == ("FINISHED", "yes")
    assert run.metrics == {
        "validation/accuracy": 0.9,
        "best/validation/accuracy": 0.9,
        "test/accuracy": 0.8,
    }


def test_a_run_goes_on(recorder: Recorder, seen: Seen) -> None:
    run_id = start(recorder)
    recorder.metrics(run_id, {"validation/accuracy": 0.9}, 1)
    recorder.finish(run_id, "KILLED")
    recorder.reopen(run_id)
    assert seen.run(run_id).status == "RUNNING"
    for step, value in ((1, 0.1), (2, 0.5), (3, 0.95)):
        recorder.metrics(run_id, {"validation/accuracy": value}, step)
    recorder.finish(run_id)
    assert seen.run(run_id).status == "FINISHED"
    assert seen.history(run_id) == {
        "validation/accuracy": [(1, 0.9), (2, 0.5), (3, 0.95)],
        "best/validation/accuracy": [(1, 0.9), (3, 0.95)],
    }


def test_the_trials_of_a_sweep(recorder: Recorder) -> None:
    sweep, other = start(recorder, "sweep"), start(recorder, "other")
    trials = [start(recorder, f"trial-{i}", parent=sweep) for i in range(3)]
    start(recorder, "stranger", parent=other)
    recorder.metrics(trials[1], {"validation/loss": 0.5}, 1)
    recorder.finish(trials[1])
    found = recorder.children(sweep)
    assert sorted(run.run_id for run in found) == sorted(trials)
    assert [run.start for run in found] == sorted(run.start or 0 for run in found)
    finished = next(run for run in found if run.run_id == trials[1])
    assert (finished.status, finished.parent) == ("FINISHED", sweep)
    assert finished.metrics["best/validation/loss"] == 0.5
    assert recorder.children(trials[0]) == []


def test_files(recorder: Recorder, seen: Seen, tmp_path: Path) -> None:
    run_id = start(recorder)
    recorder.artifact_dict(run_id, "evaluation/test.json", {"loss": 0.5, "path": Path("/x")})
    (tmp_path / "made/deep").mkdir(parents=True)
    (tmp_path / "made/deep/a.bin").write_bytes(b"\0\1")
    (tmp_path / "made/b.txt").write_text("b")
    recorder.artifact_dir(run_id, tmp_path / "made")
    recorder.artifact_dir(run_id, tmp_path / "made/deep", "again/here")
    files = seen.files(run_id)
    assert sorted(files) == ["again/here/a.bin", "b.txt", "deep/a.bin", "evaluation/test.json"]
    assert files["deep/a.bin"] == b"\0\1"
    assert json.loads(files["evaluation/test.json"]) == {"loss": 0.5, "path": "/x"}


@pytest.mark.parametrize("path", ["../x.json", "/etc/x.json", "a/../../x.json", "a\\b", ""])
def test_a_path_that_leads_out(recorder: Recorder, path: str) -> None:
    run_id = start(recorder)
    with pytest.raises(TrackingError, match="stay in the run's folder"):
        recorder.artifact_dict(run_id, path, {})


def test_a_model(recorder: Recorder, seen: Seen, tmp_path: Path) -> None:
    saved = tmp_path / "saved"
    saved.mkdir()
    (saved / "model.json").write_text("{}")
    run_id = start(recorder)
    recorder.model(run_id, saved, example={"features": [b"ab"]}, labels=["no", "yes"])
    assert seen.files(run_id)["model/data/net/model.json"] == b"{}"


def test_a_run_that_is_not_there(recorder: Recorder) -> None:
    for call in (
        lambda: recorder.metrics(NOWHERE, {"x": 1.0}, 1),
        lambda: recorder.tags(NOWHERE, {"x": "1"}),
        lambda: recorder.reopen(NOWHERE),
        lambda: recorder.finish(NOWHERE),
        lambda: recorder.children(NOWHERE),
        lambda: recorder.children("' OR 1=1 --"),
    ):
        with pytest.raises(RunNotFoundError):
            call()


def test_several_threads(recorder: Recorder, seen: Seen) -> None:
    shared = start(recorder)
    own: list[str] = []

    def work(number: int) -> None:
        run_id = start(recorder, f"thread {number}")
        own.append(run_id)
        for step in range(20):
            recorder.metrics(run_id, {"x": step}, step)
            recorder.metrics(shared, {f"x/{number}": step}, step)
        recorder.finish(run_id)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    points = [(step, float(step)) for step in range(20)]
    assert [seen.history(run_id)["x"] for run_id in own] == [points] * 4
    assert seen.history(shared) == {f"x/{i}": points for i in range(4)}
