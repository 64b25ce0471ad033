"""Progress through a file."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from workbench.progress import TrialNews
from workbench.progress.events import Events, follow, plain, replay
from workbench.progress.terminal import Terminal


def test_what_is_told_is_replayed_in_order(tmp_path: Path) -> None:
    events = Events(tmp_path / "events")
    with (tmp_path / "direct").open("w") as first, Terminal(Console(file=first)) as progress:
        tell_all(progress)
    tell_all(events)
    events.tell("end", state="finished")
    with (tmp_path / "replayed").open("w") as second, Terminal(Console(file=second)) as progress:
        for event in follow(events.path, lambda: True):
            replay(event, progress)
    assert "epoch 1/3  train/loss 0.5" in (tmp_path / "direct").read_text()
    assert (tmp_path / "replayed").read_text() == (tmp_path / "direct").read_text()


def tell_all(progress: Any) -> None:
    progress.stage("Preparing")
    progress.epoch("net", 1, 3, {"train/loss": np.float32(0.5), "validation/loss": float("nan")})
    progress.trial(
        TrialNews(2, 4, "FINISHED", {"net.activation": "relu"}, {"validation/accuracy": 0.5})
    )
    progress.note("a note")
    progress.stage_done()


def test_following_waits_for_what_is_to_come_and_for_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "events"
    path.write_text('{"what": "note", "te')
    seen: list[dict[str, Any]] = []

    def read() -> None:
        seen.extend(follow(path, lambda: True))

    reader = threading.Thread(target=read)
    reader.start()
    with path.open("a") as file:
        file.write('xt": "whole"}\n')
    Events(path).tell("end", state="finished")
    reader.join(timeout=10)
    assert seen == [{"what": "note", "text": "whole"}, {"what": "end", "state": "finished"}]


def test_following_ends_with_who_writes(tmp_path: Path) -> None:
    assert list(follow(tmp_path / "never", lambda: False)) == []
    Events(tmp_path / "events").note("last words")
    assert [e["text"] for e in follow(tmp_path / "events", lambda: False)] == ["last words"]


def test_numbers_of_numpy_are_numbers() -> None:
    told = plain({"a": np.int64(3), "b": (np.float32(0.5), True, None), "c": Path("x")})
    assert told == {"a": 3, "b": [0.5, True, None], "c": "x"}
