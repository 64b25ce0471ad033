"""Recording to a real MLflow server that goes away and comes back."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.tracking.served import Server
from tracking import MlflowRecorder, Reader, check
from tracking.errors import TrackingError

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    shutil.copy(empty_store, folder / "mlflow.db")
    made = Server(folder)
    made.start()
    yield made
    made.stop()


@dataclass
class Outage:
    """What was recorded while the server was away, and what was said then."""

    run_id: str
    recording_s: float
    impatient_run: str
    too_long: TrackingError
    at_start: TrackingError
    at_start_s: float
    checked: TrackingError


@pytest.fixture(scope="module")
def outage(server: Server) -> Outage:
    """One run goes on recording while the server is killed and started; another gives up."""
    recorder = MlflowRecorder(server.uri, interval_s=0.05)
    run_id = recorder.start(
        "served", "restarted", params={"a": 1}, tags={"workbench.kind": "train"}
    )
    recorder.metrics(run_id, {"validation/loss": 1.0}, 1)
    recorder.flush()
    impatient = MlflowRecorder(server.uri, interval_s=0.05, patience_s=0.5)
    impatient_run = impatient.start("served", "impatient", params={}, tags={})

    server.stop()
    began = time.monotonic()
    for step in range(2, 200):
        recorder.metrics(run_id, {"validation/loss": 1 / step}, step)
        recorder.metrics(run_id, {"validation/loss": 9.0}, step)  # from a worker that started over
    recorder.tags(run_id, {"while": "away"})
    recording_s = time.monotonic() - began
    impatient.metrics(impatient_run, {"x": 1.0}, 1)
    with pytest.raises(TrackingError) as too_long:
        impatient.finish(impatient_run)
    began = time.monotonic()
    with pytest.raises(TrackingError) as at_start:
        MlflowRecorder(server.uri)
    at_start_s = time.monotonic() - began
    with pytest.raises(TrackingError) as checked:
        check(server.uri)

    back = threading.Thread(target=server.start)
    back.start()
    recorder.metrics(run_id, {"validation/loss": 0.001}, 200)
    recorder.artifact_dict(run_id, "folder/late.json", {"x": 1})  # waits for the server
    recorder.finish(run_id)
    back.join()
    recorder.close()
    impatient.finish(impatient_run)
    impatient.close()
    return Outage(
        run_id,
        recording_s,
        impatient_run,
        too_long.value,
        at_start.value,
        at_start_s,
        checked.value,
    )


def test_everything_arrives_once_and_in_order(server: Server, outage: Outage) -> None:
    reader = Reader(server.uri)
    points = reader.history(outage.run_id)["validation/loss"]
    assert points == [(1, 1.0), *((s, 1 / s) for s in range(2, 200)), (200, 0.001)]
    stored = reader.client.get_metric_history(outage.run_id, "validation/loss")
    assert [p.step for p in sorted(stored, key=lambda p: (p.timestamp, p.step))] == [*range(1, 201)]
    run = reader.run(outage.run_id)
    assert (run.status, run.tags["while"], run.params) == ("FINISHED", "away", {"a": "1"})
    assert run.metrics["best/validation/loss"] == 0.001


def test_files_wait_for_the_server(server: Server, outage: Outage, tmp_path: Path) -> None:
    file = Reader(server.uri).download(outage.run_id, "folder/late.json", tmp_path)
    assert file.read_text() == '{\n  "x": 1\n}'


def test_a_training_does_not_wait(outage: Outage) -> None:
    assert outage.recording_s < 1


def test_a_server_that_stays_away(server: Server, outage: Outage) -> None:
    assert "did not answer for 0.5 s" in str(outage.too_long)
    # what waited was kept, and came with the next call
    assert Reader(server.uri).history(outage.impatient_run) == {"x": [(1, 1.0)]}


def test_a_server_that_is_not_there_at_the_start(outage: Outage) -> None:
    assert "cannot be reached: Connection refused" in str(outage.at_start)
    assert "cannot be reached: Connection refused" in str(outage.checked)
    assert outage.at_start_s < 2


def test_a_batch_whose_answer_was_lost_is_stored_once(server: Server) -> None:
    recorder = MlflowRecorder(server.uri, interval_s=0.05)
    run_id = recorder.start("served", "twice", params={}, tags={})
    send = recorder.client.log_batch
    lost: list[int] = []

    def loses_the_first_answer(*args: object, **kwargs: object) -> None:
        send(*args, **kwargs)
        if not lost:
            lost.append(1)
            raise ConnectionError("connection reset by peer")

    recorder.client.log_batch = loses_the_first_answer
    for step in range(5):
        recorder.metrics(run_id, {"x": step}, step)
    recorder.close()
    assert lost and len(recorder.client.get_metric_history(run_id, "x")) == 5
