"""Progress in a notebook's cell: one output that is replaced, without widgets."""

from __future__ import annotations

import html as escaping
import threading
import time
from types import TracebackType
from typing import Any, Self

from workbench import html
from workbench.progress import Epoch, EpochPart, Event, Note, Progress, Stage, StageDone, TrialNews
from workbench.progress.terminal import Board, metrics_line, settings_line

_EVERY_S = 0.25
"""Between two drawings: a notebook that is sent more often becomes slow."""
_TRIALS = 5
_CURVES = ("train/loss", "validation/loss")


class Cell(Progress):
    """Shows progress in the cell that runs; use it as a context manager.

    The output is text and HTML without a script. What is left at the end is the notes, the last
    epoch and the curve of the loss, so a notebook that was run by a program (papermill, nbconvert)
    holds one output for each training.
    """

    def __init__(self) -> None:
        self.board = Board("validation/accuracy", "max")
        self._lock = threading.RLock()
        self._handle: Any = None
        self._drawn = 0.0
        self._stage: tuple[str, float] | None = None
        self._done: list[str] = []
        self._notes: list[str] = []
        self._last: Epoch | None = None
        self._part: EpochPart | None = None
        self._curves: dict[str, list[tuple[float, float]]] = {name: [] for name in _CURVES}
        self._began = time.monotonic()

    def __enter__(self) -> Self:
        from IPython.display import display

        self._handle = display(self._bundle(), raw=True, display_id=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._lock:
            self._end_stage("stopped" if error is not None else "")
            self._part = None
            self._draw(now=True)

    def rank_by(self, metric: str, mode: str) -> None:
        """Rank trials by this metric; `mode` is `max` or `min`."""
        self.board.metric, self.board.mode = metric, mode

    def handle(self, event: Event) -> None:
        with self._lock:
            match event:
                case Stage(name):
                    if self._stage is None or self._stage[0] != name:
                        self._end_stage()
                        self._stage = (name, time.monotonic())
                case StageDone():
                    self._end_stage()
                case Epoch():
                    self._end_stage()
                    self._last, self._part = event, None
                    for name, points in self._curves.items():
                        if name in event.metrics:
                            points.append((float(event.epoch), event.metrics[name]))
                case EpochPart():
                    self._end_stage()
                    self._part = event
                case TrialNews():
                    self.board.put(event)
                case Note(text):
                    self._notes.append(text)
            self._draw(now=isinstance(event, Stage | Note))

    def _end_stage(self, how: str = "") -> None:
        if self._stage is not None:
            name, began = self._stage
            self._done.append(
                f"{name}{f' ({how})' if how else ''} {time.monotonic() - began:.1f} s"
            )
            self._stage = None

    def _draw(self, *, now: bool) -> None:
        if self._handle is not None and (now or time.monotonic() - self._drawn > _EVERY_S):
            self._handle.update(self._bundle(), raw=True)
            self._drawn = time.monotonic()

    def _bundle(self) -> dict[str, str]:
        lines = self._lines()
        shown = "".join(f"<div>{escaping.escape(line)}</div>" for line in lines)
        if self._done:
            steps = escaping.escape(" · ".join(self._done))
            shown += f"<div style='opacity:.65'><small>{steps}</small></div>"
        shown += html.curve(self._curves)
        if self.board.trials:
            shown += html.table(*self._trials())
        return {"text/html": shown or "<div>…</div>", "text/plain": "\n".join(lines) or "…"}

    def _lines(self) -> list[str]:
        lines = list(self._notes)
        if self._stage is not None:
            lines.append(f"{self._stage[0]} …")
        if (last := self._last) is not None:
            done = f"{last.run}: epoch {last.epoch} of {last.epochs}"
            passed = f"{time.monotonic() - self._began:.0f} s"
            lines.append(f"{done}  {metrics_line(last.metrics)}  {passed}")
        if self._part is not None:
            lines.append(f"{self._part.run}  {self._part.text}")
        if self.board.trials:
            ended = len(self.board.trials) - self.board.count("RUNNING")
            lines.append(f"{ended} of {max(self.board.total, ended)} trials ended")
        return lines

    def _trials(self) -> tuple[list[str], list[list[Any]]]:
        """The best trials so far."""
        board = self.board
        rows: list[list[Any]] = []
        for number in board.rank()[:_TRIALS]:
            news = board.trials[number]
            rows.append(
                [number, board.value(number), settings_line(news.settings), news.status.lower()]
            )
        return ["trial", board.metric, "settings", "status"], rows


def in_notebook() -> bool:
    """Whether a notebook's kernel runs this code; a terminal's IPython is none."""
    import sys

    if "IPython" not in sys.modules:
        return False
    from IPython import get_ipython

    return getattr(get_ipython(), "kernel", None) is not None
