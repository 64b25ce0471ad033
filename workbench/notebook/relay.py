"""Progress that is passed on to what the current call shows."""

from __future__ import annotations

from workbench.progress import Event, Progress, Silent


class Relay(Progress):
    """A session keeps one progress from its start on, and each call has a display of its own."""

    def __init__(self) -> None:
        self.to: Progress = Silent()

    def handle(self, event: Event) -> None:
        self.to.handle(event)

    def rank_by(self, metric: str, mode: str) -> None:
        """Rank trials by this metric, where they are shown."""
        if rank_by := getattr(self.to, "rank_by", None):
            rank_by(metric, mode)
