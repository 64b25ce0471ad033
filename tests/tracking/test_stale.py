"""Runs of processes that are gone, with real processes."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from tracking import MlflowRecorder, Reader
from tracking.stale import HOST, PID, STARTED


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as started:
        yield started
        started.kill()


def tags_of(process: psutil.Process) -> dict[str, str]:
    return {
        HOST: socket.gethostname(),
        PID: str(process.pid),
        STARTED: str(process.create_time()),
    }


def test_only_runs_of_processes_that_are_gone_become_killed(
    uri: str, process: subprocess.Popen[bytes]
) -> None:
    gone = tags_of(psutil.Process(process.pid))
    mine = tags_of(psutil.Process())
    recorder = MlflowRecorder(uri)

    def start(tags: dict[str, str]) -> str:
        return recorder.start("stale", "run", params={}, tags=tags)

    runs = {
        "gone": start(gone),
        "alive": start(mine),
        "number used again": start(mine | {STARTED: "1000.0"}),
        "other host": start(gone | {HOST: "elsewhere"}),
        "other program": start({HOST: socket.gethostname()}),
        "no number": start(gone | {PID: "x"}),
        "ended": start(gone),
    }
    recorder.metrics(runs["gone"], {"validation/loss": 1.0}, 1)
    recorder.finish(runs["ended"])
    recorder.close()

    MlflowRecorder(uri).close()
    reader = Reader(uri)
    before = {name: reader.run(run_id).status for name, run_id in runs.items()}
    assert before == {name: "RUNNING" for name in runs} | {
        "ended": "FINISHED",
        "number used again": "KILLED",
    }
    process.kill()
    psutil.wait_procs([psutil.Process(process.pid)], timeout=5)
    MlflowRecorder(uri).close()
    after = {name: reader.run(run_id).status for name, run_id in runs.items()}
    assert after == before | {"gone": "KILLED"}
    killed = reader.run(runs["gone"])
    assert "without a word" in killed.tags["workbench.error"]
    # it ended when it last said something, not when that was noticed
    (point,) = reader.client.get_metric_history(killed.run_id, "validation/loss")
    assert killed.end == point.timestamp / 1000


def test_a_process_that_is_dead_but_not_yet_collected(
    uri: str, process: subprocess.Popen[bytes]
) -> None:
    recorder = MlflowRecorder(uri)
    tags = tags_of(psutil.Process(process.pid))
    run_id = recorder.start("stale", "zombie", params={}, tags=tags)
    recorder.close()
    zombie = psutil.Process(process.pid)
    zombie.kill()
    while zombie.status() != psutil.STATUS_ZOMBIE:
        pass
    MlflowRecorder(uri).close()
    assert Reader(uri).run(run_id).status == "KILLED"
