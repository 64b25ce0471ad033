"""Progress as lines of JSON in a file: written by the process that works, replayed by any other."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from workbench.progress.base import Progress, TrialNews

_POLL_S = 0.03


class Events:
    """A `Progress` that appends each event to a file; several processes may write to the same."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def tell(self, what: str, **told: Any) -> None:
        """One event; a line is written at once and whole."""
        line = json.dumps(plain({"what": what, **told}), allow_nan=True) + "\n"
        with self.path.open("a") as file:
            file.write(line)

    def stage(self, name: str) -> None:
        self.tell("stage", name=name)

    def stage_done(self) -> None:
        self.tell("stage_done")

    def epoch(self, run: str, epoch: int, epochs: int, metrics: Mapping[str, float]) -> None:
        self.tell("epoch", run=run, epoch=epoch, epochs=epochs, metrics=metrics)

    def trial(self, news: TrialNews) -> None:
        self.tell("trial", **asdict(news))

    def note(self, text: str) -> None:
        self.tell("note", text=text)


class Several:
    """A `Progress` that tells others, in turn."""

    def __init__(self, *others: Progress) -> None:
        self.others = others

    def stage(self, name: str) -> None:
        for other in self.others:
            other.stage(name)

    def stage_done(self) -> None:
        for other in self.others:
            other.stage_done()

    def epoch(self, run: str, epoch: int, epochs: int, metrics: Mapping[str, float]) -> None:
        for other in self.others:
            other.epoch(run, epoch, epochs, metrics)

    def trial(self, news: TrialNews) -> None:
        for other in self.others:
            other.trial(news)

    def note(self, text: str) -> None:
        for other in self.others:
            other.note(text)


def replay(event: dict[str, Any], progress: Progress) -> None:
    """Tell a `Progress` what an event says; events that are no progress are passed over."""
    told = {name: value for name, value in event.items() if name != "what"}
    if event["what"] == "trial":
        progress.trial(TrialNews(**told))
    elif event["what"] in ("stage", "stage_done", "epoch", "note"):
        getattr(progress, event["what"])(**told)


def follow(path: Path, alive: Callable[[], bool]) -> Iterator[dict[str, Any]]:
    """The events of a file from its first, as they are written, until one that is called `end`.

    It stops without one when `alive` is false and nothing more comes.
    """
    position, rest = 0, ""
    while True:
        lives = alive()  # asked first: what the process wrote before it died is read below
        try:
            with path.open() as file:
                file.seek(position)
                rest += file.read()
                position = file.tell()
        except FileNotFoundError:
            pass
        *lines, rest = rest.split("\n")
        for line in lines:
            event = json.loads(line)
            yield event
            if event["what"] == "end":
                return
        if not lives and not lines:
            return
        if not lines:
            time.sleep(_POLL_S)


def plain(value: Any) -> Any:
    """A value in JSON's own types; a number that is none (NaN, infinity) stays what it is."""
    if isinstance(value, Mapping):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    if isinstance(value, bool | str | None):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    number = getattr(value, "item", None)  # NumPy's scalars
    return number() if callable(number) else str(value)
