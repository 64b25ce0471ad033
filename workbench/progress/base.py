"""The events of a long job, and the interface of everything that shows or keeps them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Stage:
    """A stage of unknown length begins, and the one before it ends."""

    name: str


@dataclass(frozen=True)
class StageDone:
    """The last stage is over."""


@dataclass(frozen=True)
class Epoch:
    """A training has finished an epoch."""

    run: str
    epoch: int
    """From 1."""
    epochs: int
    """The most there can be; a training may stop earlier."""
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class EpochPart:
    """A training is in the middle of an epoch that takes long."""

    run: str
    epoch: int
    """The one under way, from 1."""
    epochs: int
    rows: int
    """Trained on so far in this epoch."""
    of: int
    """Rows of an epoch."""
    rows_per_s: float
    loss: float | None = None
    """Mean training loss of the last steps; None: not recorded."""

    @property
    def text(self) -> str:
        """For a person, with the time that is left of the epoch."""
        left = (self.of - self.rows) / self.rows_per_s if self.rows_per_s else 0.0
        time_left = f"{left / 60:.0f} min" if left > 90 else f"{left:.0f} s"
        loss = "" if self.loss is None else f"  train/loss {self.loss:.4g}"
        return (
            f"epoch {self.epoch}/{self.epochs}  {self.rows / self.of:.0%} of {self.of:,} rows, "
            f"{self.rows_per_s:,.0f} a second, {time_left} left{loss}"
        )


@dataclass(frozen=True)
class TrialNews:
    """A trial of a sweep has a new status or new metrics."""

    number: int
    """From 1."""
    total: int
    status: str
    """RUNNING, FINISHED, STOPPED, FAILED or KILLED."""
    settings: Mapping[str, Any]
    """The settings that differ between trials, by path."""
    metrics: Mapping[str, float]
    repeated: Sequence[str] = ()
    """Those of them that differ between the trainings of one setting: its fold, its seed."""


@dataclass(frozen=True)
class Note:
    """A line of text for a person."""

    text: str


Event = Stage | StageDone | Epoch | EpochPart | TrialNews | Note


class Progress(ABC):
    """Receives events in order. Several threads may call it, one at a time per stage or trial.

    A subclass implements `handle`; the other methods build the event.
    """

    @abstractmethod
    def handle(self, event: Event) -> None:
        """Show, keep or pass on one event."""

    def stage(self, name: str) -> None:
        self.handle(Stage(name))

    def stage_done(self) -> None:
        self.handle(StageDone())

    def epoch(self, run: str, epoch: int, epochs: int, metrics: Mapping[str, float]) -> None:
        self.handle(Epoch(run, epoch, epochs, metrics))

    def epoch_part(self, part: EpochPart) -> None:
        self.handle(part)

    def trial(self, news: TrialNews) -> None:
        self.handle(news)

    def note(self, text: str) -> None:
        self.handle(Note(text))


class Silent(Progress):
    """Ignores every event."""

    def handle(self, event: Event) -> None: ...
