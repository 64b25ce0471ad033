"""Progress for a person at a terminal: a live display, or plain lines where there is no terminal."""

from __future__ import annotations

import json
import statistics
import threading
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from workbench.html import number_text as number_text
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

_TOP = 5
"""Trials in the live table."""
_SHOWN = ("train/loss", "validation/loss", "validation/accuracy")
"""Metrics shown in an epoch's line, where it has them."""


class Terminal(Progress):
    """Shows progress on a console; use it as a context manager.

    On a terminal, the current stage, the epochs and the best trials are drawn live and removed at
    the end. Elsewhere (a pipe, a file) each event is a line.
    """

    def __init__(self, console: Console) -> None:
        board = Board("validation/accuracy", "max")
        self._board = board
        self._display: _Display = (
            _LiveDisplay(console, board)
            if console.is_terminal and not console.is_dumb_terminal
            else _PlainDisplay(console, board)
        )
        # A training reports from another thread while the main thread goes through the stages.
        self._lock = threading.RLock()
        self._stage: tuple[str, float] | None = None

    def __enter__(self) -> Self:
        self._display.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._lock:
            self._end_stage(failed=error is not None)
        self._display.close()

    def rank_by(self, metric: str, mode: str) -> None:
        """Rank trials by this metric; `mode` is `max` or `min`."""
        self._board.metric, self._board.mode = metric, mode

    def handle(self, event: Event) -> None:
        with self._lock:
            if isinstance(event, Stage) and self._stage and self._stage[0] == event.name:
                return
            if isinstance(
                event, Stage | StageDone | Epoch | EpochPart
            ):  # an epoch: the workers have started
                self._end_stage()
            if isinstance(event, Stage):
                self._stage = (event.name, time.monotonic())
            if not isinstance(event, StageDone):
                self._display.show(event)

    def _end_stage(self, *, failed: bool = False) -> None:
        if self._stage:
            name, start = self._stage
            self._stage = None
            self._display.show(_StageEnd(name, time.monotonic() - start, failed))


class Board:
    """The trials of a sweep so far, best first."""

    def __init__(self, metric: str, mode: str) -> None:
        self.metric = metric
        self.mode = mode
        self.trials: dict[int, TrialNews] = {}
        self.total = 0

    def put(self, news: TrialNews) -> None:
        self.total = news.total
        self.trials[news.number] = news

    def value(self, number: int) -> float | None:
        """The trial's best value of the metric; None before its first."""
        metrics = self.trials[number].metrics
        return metrics.get(f"best/{self.metric}", metrics.get(self.metric))

    def rank(self) -> list[int]:
        """Trial numbers, best first; trials without a value last."""
        return sorted(self.trials, key=self._sort_key)

    def _sort_key(self, number: int) -> tuple[bool, float]:
        value = self.value(number)
        return value is None or value != value, (value or 0.0) * (-1 if self.mode == "max" else 1)

    def by_setting(self) -> Board:
        """Each setting as one trial with the mean of its trainings so far, and how many have ended."""
        groups: dict[str, list[TrialNews]] = {}
        for news in self.trials.values():
            settings = {p: v for p, v in news.settings.items() if p not in news.repeated}
            groups.setdefault(json.dumps(settings, sort_keys=True), []).append(news)
        board = Board(self.metric, self.mode)
        for key, trainings in groups.items():
            each = [self.value(one.number) for one in trainings]
            values = [value for value in each if value is not None and value == value]
            metrics = {self.metric: statistics.fmean(values)} if values else {}
            ended = sum(one.status != "RUNNING" for one in trainings)
            first, status = trainings[0], f"mean of {len(values)}, {ended} ended"
            board.put(TrialNews(first.number, first.total, status, json.loads(key), metrics))
        return board

    def count(self, *statuses: str) -> int:
        return sum(news.status in statuses for news in self.trials.values())


@dataclass(frozen=True)
class _StageEnd:
    name: str
    seconds: float
    failed: bool


_Shown = Stage | _StageEnd | Epoch | EpochPart | TrialNews | Note


class _Display(Protocol):
    def open(self) -> None: ...
    def close(self) -> None: ...
    def show(self, event: _Shown) -> None: ...


class _PlainDisplay:
    def __init__(self, console: Console, board: Board) -> None:
        self._console = console
        self._board = board
        self._statuses: dict[int, str] = {}

    def open(self) -> None: ...

    def close(self) -> None: ...

    def show(self, event: _Shown) -> None:
        line = self._line(event)
        if line is not None:
            self._console.print(Text(line), soft_wrap=True)

    def _line(self, event: _Shown) -> str | None:
        match event:
            case Stage(name):
                return f"{name} ..."
            case _StageEnd(name, seconds, failed):
                return f"{name}: {'failed after' if failed else 'done in'} {seconds:.1f} s"
            case Epoch(run, epoch, epochs, metrics):
                return f"{run}  epoch {epoch}/{epochs}  {metrics_line(metrics)}"
            case EpochPart(run):
                return f"{run}  {event.text}"
            case TrialNews():
                return self._trial_line(event)
            case Note(text):
                return text

    def _trial_line(self, news: TrialNews) -> str | None:
        self._board.put(news)
        if news.status in ("RUNNING", self._statuses.get(news.number)):
            return None
        self._statuses[news.number] = news.status
        value = self._board.value(news.number)
        metric = "" if value is None else f"  {self._board.metric} {number_text(value)}"
        trial = f"trial {news.number}/{news.total}  {news.status}"
        return f"{trial}{metric}  {settings_line(news.settings)}"


class _LiveDisplay:
    def __init__(self, console: Console, board: Board) -> None:
        self._console = console
        self._board = board
        self._spinner: Spinner | None = None
        self._stage: tuple[str, float] | None = None
        self._epochs: dict[str, Epoch] = {}
        self._part: EpochPart | None = None
        # This process's own output does not go through the display: a session redirects the
        # streams while the display is open, and each would restore the other's.
        self._live = Live(
            console=console,
            get_renderable=self._render,
            refresh_per_second=5,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def open(self) -> None:
        self._live.start()

    def close(self) -> None:
        self._keep_epochs()
        self._live.stop()

    def show(self, event: _Shown) -> None:
        match event:
            case Stage(name):
                self._keep_epochs()
                self._stage = (name, time.monotonic())
                self._spinner = Spinner("dots")
            case _StageEnd(name, seconds, failed):
                self._stage = self._spinner = None
                mark = Text("✗ ", "red") if failed else Text("✓ ", "green")
                self._console.print(mark + Text(name) + Text(f"  {seconds:.1f} s", "dim"))
            case Epoch():
                self._epochs[event.run] = event
                self._part = None
            case EpochPart():
                self._part = event
            case TrialNews():
                self._board.put(event)
            case Note(text):
                self._console.print(Text(text))

    def _keep_epochs(self) -> None:
        """Print a line for each training that is over, in place of its bar."""
        for run, last in self._epochs.items():
            done = f"{last.epoch} of {last.epochs} epochs"
            self._console.print(Text(f"{run}: {done}  {metrics_line(last.metrics)}"))
        self._epochs, self._part = {}, None

    def _render(self) -> RenderableType:
        parts: list[RenderableType] = []
        if self._stage and self._spinner:
            name, start = self._stage
            self._spinner.update(text=Text(f"{name}  {time.monotonic() - start:.0f} s"))
            parts.append(self._spinner)
        for run, last in list(self._epochs.items()):
            parts.append(_bar(run, last.epoch, last.epochs, metrics_line(last.metrics)))
        if self._part is not None:
            parts.append(Text(f"{self._part.run}  {self._part.text}", "dim"))
        if self._board.trials:
            parts += self._trials()
        return Group(*parts)

    def _trials(self) -> list[RenderableType]:
        board = self._board
        running = board.count("RUNNING")
        ended = len(board.trials) - running
        bar = _bar("trials", ended, max(board.total, ended), f"{running} running")
        if any(news.repeated for news in board.trials.values()):
            board = board.by_setting()  # the best seed of all is luck
        return [bar, trials_table(board, board.rank()[:_TOP], title="best so far")]


def _bar(name: str, done: int, total: int, text: str) -> Table:
    grid = Table.grid(padding=(0, 1))
    grid.add_row(
        Text(name, "bold"),
        ProgressBar(total=total, completed=done, width=24),
        Text(f"{done}/{total}"),
        Text(text, "dim"),
    )
    return grid


def trials_table(
    board: Board,
    numbers: list[int],
    *,
    title: str | None = None,
    like_best: Collection[int] = (),
) -> Table:
    """A table of trials: rank, number, metric, settings, epochs, status.

    Args:
        like_best: numbers of trials that are marked with ~, as they cannot be told from the best.
    """
    keys = sorted({key for number in numbers for key in board.trials[number].settings})
    table = Table(title=title, title_justify="left", title_style="dim", box=None, pad_edge=False)
    table.add_column("#", justify="right", style="dim")
    table.add_column("trial", justify="right")
    table.add_column(board.metric, justify="right", style="bold")
    for key in keys:
        table.add_column(key.rsplit(".", 1)[-1], justify="right")
    table.add_column("epochs", justify="right")
    table.add_column("", style="dim")
    for rank, number in enumerate(numbers, 1):
        news = board.trials[number]
        value = board.value(number)
        table.add_row(
            str(rank),
            str(number),
            "" if value is None else ("~ " if number in like_best else "") + number_text(value),
            *(number_text(news.settings.get(key)) for key in keys),
            str(int(news.metrics["epoch"])) if news.metrics.get("epoch") else "",
            news.status.lower(),
            style=None if rank > 1 else "green",
        )
    return table


def metrics_line(metrics: Mapping[str, float]) -> str:
    """The most important metrics of an epoch, in one line."""
    shown = [name for name in _SHOWN if name in metrics] or sorted(metrics)[:3]
    return "  ".join(f"{name} {number_text(metrics[name])}" for name in shown)


def settings_line(settings: Mapping[str, Any]) -> str:
    """`training.learning_rate=0.00316 net.activation=relu`."""
    return " ".join(f"{key}={number_text(value)}" for key, value in sorted(settings.items()))
