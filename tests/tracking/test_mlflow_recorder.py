"""What is MLflow's alone: batches, long values, refusals, the end of the process."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tracking import MlflowRecorder, Reader, TrackingError


@pytest.fixture
def recorder(uri: str) -> Iterator[MlflowRecorder]:
    made = MlflowRecorder(uri, interval_s=0.05)
    yield made
    made.close()


def start(recorder: MlflowRecorder, **params: Any) -> str:
    return recorder.start("one", "run", params=params, tags={})


def test_metrics_appear_soon_without_being_asked_for(uri: str) -> None:
    recorder = MlflowRecorder(uri)
    run_id = start(recorder)
    recorder.metrics(run_id, {"x": 1.0}, 1)
    reader = Reader(uri)
    deadline = time.monotonic() + 10
    while not reader.history(run_id):
        assert time.monotonic() < deadline
    recorder.close()


def test_many_metrics_take_few_calls(uri: str) -> None:
    recorder = MlflowRecorder(uri, interval_s=60)
    run_id = start(recorder)
    send, sizes = recorder.client.log_batch, []

    def counted(*args: Any, **kwargs: Any) -> None:
        sizes.append(len(kwargs["metrics"]))
        send(*args, **kwargs)

    recorder.client.log_batch = counted
    for step in range(100):
        recorder.metrics(run_id, {f"health/layer{i}/dead": step for i in range(25)}, step)
    recorder.finish(run_id)
    recorder.close()
    assert sum(sizes) == 2500 and max(sizes) <= 1000 and len(sizes) == 3


def test_a_value_longer_than_mlflow_keeps(recorder: MlflowRecorder, tmp_path: Path) -> None:
    value = "layer " * 2000
    run_id = start(recorder, short="s", long=value)
    reader = Reader(recorder.uri)
    assert reader.run(run_id).params == {"short": "s", "long": value[:6000]}
    file = reader.download(run_id, "params.json", tmp_path)
    assert json.loads(file.read_text()) == {"short": "s", "long": value}


def test_a_run_deleted_meanwhile(recorder: MlflowRecorder) -> None:
    deleted, other = start(recorder), start(recorder)
    recorder.client.delete_run(deleted)
    recorder.metrics(deleted, {"x": 1.0}, 1)
    recorder.metrics(other, {"x": 2.0}, 1)
    with pytest.raises(TrackingError, match=r"refused.*must be in the 'active' state"):
        recorder.finish(deleted)
    recorder.finish(other)
    assert Reader(recorder.uri).history(other) == {"x": [(1, 2.0)]}


def test_an_experiment_that_was_deleted_is_back(recorder: MlflowRecorder, uri: str) -> None:
    earlier = start(recorder)
    experiment = recorder.client.get_experiment_by_name("one").experiment_id
    recorder.client.delete_experiment(experiment)
    again = MlflowRecorder(uri)
    run_id = start(again)
    again.close()
    found = {run.run_id for run in Reader(uri).runs(experiment="one")}
    assert found == {earlier, run_id}


def test_two_writers_at_once(uri: str) -> None:
    """Two processes' recorders on one SQLite file; here threads, with a connection each."""
    recorders = [MlflowRecorder(uri, interval_s=0.01) for _ in range(2)]
    runs = [start(recorder) for recorder in recorders]

    def work(recorder: MlflowRecorder, run_id: str) -> None:
        for step in range(100):
            recorder.metrics(run_id, {"x": step}, step)
            if step % 10 == 0:
                recorder.flush()
        recorder.finish(run_id)

    threads = [
        threading.Thread(target=work, args=pair) for pair in zip(recorders, runs, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for recorder, run_id in zip(recorders, runs, strict=True):
        recorder.close()
        assert Reader(uri).history(run_id)["x"] == [(s, float(s)) for s in range(100)]


def test_what_waits_is_stored_when_the_process_ends(uri: str) -> None:
    script = (
        "from tracking import MlflowRecorder;"
        f"r = MlflowRecorder({uri!r}, interval_s=60);"
        "run_id = r.start('one', 'run', params={}, tags={});"
        "r.metrics(run_id, {'x': 1.0}, 1); print(run_id)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stderr == ""
    assert Reader(uri).history(done.stdout.strip()) == {"x": [(1, 1.0)]}


def test_mlflow_shows_trials_below_their_sweep(recorder: MlflowRecorder) -> None:
    """What MLflow's own pages nest and compare by."""
    sweep = recorder.start("one", "sweep", params={"a": 1}, tags={})
    tags = {"workbench.commit": "abc123-dirty"}
    trial = recorder.start("one", "trial-001", params={"a": 2}, tags=tags, parent=sweep)
    recorder.metrics(trial, {"validation/accuracy": 0.5}, 1)
    recorder.finish(trial)
    found = recorder.client.get_run(trial)
    assert found.info.run_name == "trial-001" == found.data.tags["mlflow.runName"]
    assert found.data.tags["mlflow.parentRunId"] == sweep
    assert found.data.tags["mlflow.source.git.commit"] == "abc123"
    assert found.data.tags["mlflow.source.name"] == "workbench"
    assert found.data.params == {"a": "2"}
    assert found.data.metrics == {"validation/accuracy": 0.5, "best/validation/accuracy": 0.5}
