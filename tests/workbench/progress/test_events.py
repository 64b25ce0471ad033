"""Progress through a file."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from workbench.progress import Epoch, Stage, TrialNews
from workbench.progress.events import Events, follow, read_last, replay, to_json
from workbench.progress.terminal import Terminal


def test_a_replay_shows_the_same_as_the_events_themselves(tmp_path: Path) -> None:
    events = Events(tmp_path / "events")
    with (tmp_path / "direct").open("w") as first, Terminal(Console(file=first)) as progress:
        send_all(progress)
    send_all(events)
    events.write("end", state="finished")
    with (tmp_path / "replayed").open("w") as second, Terminal(Console(file=second)) as progress:
        for event in follow(events.path, lambda: True):
            replay(event, progress)
    assert "epoch 1/3  train/loss 0.5" in (tmp_path / "direct").read_text()
    assert (tmp_path / "replayed").read_text() == (tmp_path / "direct").read_text()


def send_all(progress: Any) -> None:
    progress.stage("Preparing")
    progress.epoch("net", 1, 3, {"train/loss": np.float32(0.5), "validation/loss": float("nan")})
    progress.trial(
        TrialNews(2, 4, "FINISHED", {"net.activation": "relu"}, {"validation/accuracy": 0.5})
    )
    progress.note("a note")
    progress.stage_done()


def test_follow_waits_for_more_and_for_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "events"
    path.write_text('{"what": "note", "te')
    seen: list[dict[str, Any]] = []

    def read() -> None:
        seen.extend(follow(path, lambda: True))

    reader = threading.Thread(target=read)
    reader.start()
    with path.open("a") as file:
        file.write('xt": "whole"}\n')
    Events(path).write("end", state="finished")
    reader.join(timeout=10)
    assert seen == [{"what": "note", "text": "whole"}, {"what": "end", "state": "finished"}]


def test_follow_ends_when_the_writer_has_gone(tmp_path: Path) -> None:
    assert list(follow(tmp_path / "never", lambda: False)) == []
    Events(tmp_path / "events").note("last words")
    assert [e["text"] for e in follow(tmp_path / "events", lambda: False)] == ["last words"]


def test_numbers_of_numpy_are_numbers() -> None:
    values = to_json({"a": np.int64(3), "b": (np.float32(0.5), True, None), "c": Path("x")})
    assert values == {"a": 3, "b": [0.5, True, None], "c": "x"}


def test_the_lines_of_a_job_keep_their_format(tmp_path: Path) -> None:
    """Folders of old jobs stay readable."""
    send_all(Events(tmp_path / "events"))
    assert (tmp_path / "events").read_text().splitlines() == [
        '{"what": "stage", "name": "Preparing"}',
        '{"what": "epoch", "run": "net", "epoch": 1, "epochs": 3, '
        '"metrics": {"train/loss": 0.5, "validation/loss": NaN}}',
        '{"what": "trial", "number": 2, "total": 4, "status": "FINISHED", '
        '"settings": {"net.activation": "relu"}, "metrics": {"validation/accuracy": 0.5}}',
        '{"what": "note", "text": "a note"}',
        '{"what": "stage_done"}',
    ]


def test_the_last_event_of_a_kind_is_read_from_the_end(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    assert read_last(path, Epoch) is None
    events = Events(path)
    for epoch in range(1, 400):
        events.epoch("digits", epoch, 400, {"train/loss": 1 / epoch})
    events.note("x")
    with path.open("a") as file:
        file.write('{"what": "epo')  # being written
    assert read_last(path, Epoch, tail=2000) == Epoch("digits", 399, 400, {"train/loss": 1 / 399})
    assert read_last(path, Stage) is None
