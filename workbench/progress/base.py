"""What a long job says of itself while it runs; the terminal and the browser each draw it their way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class TrialNews:
    """How far a trial of a sweep is."""

    number: int
    """From 1."""
    total: int
    status: str
    """RUNNING, FINISHED, STOPPED, FAILED or KILLED."""
    settings: Mapping[str, Any]
    """What this trial has that others have not, by path."""
    metrics: Mapping[str, float]


class Progress(Protocol):
    """Told what happens, in order; from several threads, one at a time for each stage or trial."""

    def stage(self, name: str) -> None:
        """A step of unknown length begins, and ends the one before it."""

    def stage_done(self) -> None:
        """The last step is over."""

    def epoch(self, run: str, epoch: int, epochs: int, metrics: Mapping[str, float]) -> None:
        """A training has finished epoch `epoch` (from 1) of at most `epochs`."""

    def trial(self, news: TrialNews) -> None:
        """A trial has a new status."""

    def note(self, text: str) -> None:
        """Something worth a line."""


class Silent:
    """Says nothing."""

    def stage(self, name: str) -> None: ...

    def stage_done(self) -> None: ...

    def epoch(self, run: str, epoch: int, epochs: int, metrics: Mapping[str, float]) -> None: ...

    def trial(self, news: TrialNews) -> None: ...

    def note(self, text: str) -> None: ...
