"""Progress as lines of JSON in a file: one process writes it, any other can replay it."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from workbench.progress.base import (
    Epoch,
    EpochPart,
    Event,
    Note,
    Progress,
    Stage,
    StageDone,
    TrialNews,
)

T = TypeVar("T", bound=Event)

_POLL_S = 0.03
_KINDS: dict[str, type[Event]] = {
    "stage": Stage,
    "stage_done": StageDone,
    "epoch": Epoch,
    "epoch_part": EpochPart,
    "trial": TrialNews,
    "note": Note,
}
"""The event of each `what` in the file."""
_NAMES: dict[type, str] = {kind: name for name, kind in _KINDS.items()}


class Events(Progress):
    """Appends each event to a file; several processes may write to the same one."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, what: str, **fields: Any) -> None:
        """Append one line, at once and whole: an event, or something else such as a job's end."""
        line = json.dumps(to_json({"what": what, **fields}), allow_nan=True) + "\n"
        with self.path.open("a") as file:
            file.write(line)

    def handle(self, event: Event) -> None:
        fields = {name: value for name, value in vars(event).items() if name != "repeated" or value}
        self.write(_NAMES[type(event)], **fields)


class Several(Progress):
    """Passes each event on to others, in turn."""

    def __init__(self, *others: Progress) -> None:
        self.others = others

    def handle(self, event: Event) -> None:
        for other in self.others:
            other.handle(event)


def replay(line: Mapping[str, Any], progress: Progress) -> None:
    """Pass the event of a line on; a line that is no progress event is ignored."""
    if kind := _KINDS.get(line["what"]):
        progress.handle(kind(**{name: value for name, value in line.items() if name != "what"}))


def follow(path: Path, alive: Callable[[], bool]) -> Iterator[dict[str, Any]]:
    """The lines of a file from its first, as they are written, up to one whose `what` is `end`.

    It stops without such a line when `alive` returns false and nothing more comes.
    """
    position, rest = 0, ""
    while True:
        running = alive()  # before reading: the last lines of a process that dies are read below
        try:
            with path.open() as file:
                file.seek(position)
                rest += file.read()
                position = file.tell()
        except FileNotFoundError:
            pass
        *lines, rest = rest.split("\n")
        for line in lines:
            fields = json.loads(line)
            yield fields
            if fields["what"] == "end":
                return
        if not running and not lines:
            return
        if not lines:
            time.sleep(_POLL_S)


def read_last(path: Path, kind: type[T], tail: int = 64 * 1024) -> T | None:
    """The last event of a kind, read from the end of a file; None where the last `tail` bytes have none."""
    with contextlib.suppress(OSError), path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - tail))
        for line in reversed(file.read().decode(errors="replace").splitlines()):
            try:
                fields = json.loads(line)
            except ValueError:  # cut at the beginning, or being written
                continue
            if fields.pop("what", None) == _NAMES[kind]:
                return kind(**fields)
    return None


def to_json(value: Any) -> Any:
    """A value in JSON's own types; NaN and infinity stay as they are."""
    if isinstance(value, Mapping):
        return {str(key): to_json(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(part) for part in value]
    if isinstance(value, bool | str | None):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    number = getattr(value, "item", None)  # NumPy's scalars
    return number() if callable(number) else str(value)
