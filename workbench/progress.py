"""What a long job says of itself while it runs; the terminal and the browser each draw it their way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class Progress(Protocol):
    """Told what happens, in order, from one thread."""

    def stage(self, name: str) -> None:
        """A step of unknown length begins, and ends the one before it."""

    def stage_done(self) -> None:
        """The last step is over."""

    def epoch(self, run: str, epoch: int, epochs: int, metrics: Mapping[str, float]) -> None:
        """A training has finished epoch `epoch` (from 1) of at most `epochs`."""

    def trial(
        self,
        number: int,
        total: int,
        status: str,
        settings: Mapping[str, Any],
        metrics: Mapping[str, float],
    ) -> None:
        """Trial `number` (from 1) of `total` has a new status: RUNNING, FINISHED, STOPPED, FAILED or KILLED."""

    def note(self, text: str) -> None:
        """Something worth a line."""


class Silent:
    """Says nothing."""

    def stage(self, name: str) -> None: ...

    def stage_done(self) -> None: ...

    def epoch(self, run: str, epoch: int, epochs: int, metrics: Mapping[str, float]) -> None: ...

    def trial(
        self,
        number: int,
        total: int,
        status: str,
        settings: Mapping[str, Any],
        metrics: Mapping[str, float],
    ) -> None: ...

    def note(self, text: str) -> None: ...
