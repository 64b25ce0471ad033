"""Windows of series, cut from ordered rows in one pass; memory holds a window and a batch."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from workbench.data.calendars import Calendar, positions
from workbench.data.rows import binary

if TYPE_CHECKING:
    import pyarrow as pa

_CHUNK_BYTES = 8 * 2**20
"""Features of an Arrow batch of windows: overlapping windows have many times the bytes of their rows."""


@dataclass(frozen=True, kw_only=True)
class Cut:
    """How rows become windows."""

    channels: tuple[str, ...]
    """Columns with the values, float32."""
    targets: tuple[int, ...]
    """Channels to forecast; () where windows have a class."""
    length: int
    """Steps of a window."""
    horizon: int
    """Steps after the window that are forecast; 0 where windows have a class."""
    stride: int
    """Steps from the beginning of a window to that of the next one."""
    step: float | None
    """Time from a row to the next one. A series breaks where it differs; None: it never breaks."""
    calendar: Calendar = "even"
    """What the step counts: seconds, seconds of business days, or months."""

    @property
    def num_rows(self) -> int:
        """Consecutive rows that one sample needs."""
        return self.length + self.horizon

    def breaks(self, time: NDArray[np.float64]) -> NDArray[np.bool_]:
        """(n - 1,) True between two rows that are not one step apart."""
        between = np.diff(positions(time, self.calendar))
        if self.step is None:
            return np.zeros(len(between), np.bool_)
        # Seconds since 1970 as a double are exact to a quarter of a microsecond.
        return np.abs(between - self.step) > 1e-6 * max(1.0, abs(self.step))


@dataclass
class _Rows:
    """Consecutive rows of one series."""

    group: str
    split: str
    time: NDArray[np.float64]
    clock: NDArray[Any]
    """The times as text."""
    label: NDArray[np.int64] | None
    values: NDArray[np.float32]
    """(n, channels)"""

    def __getitem__(self, rows: slice) -> _Rows:
        label = None if self.label is None else self.label[rows]
        return _Rows(
            self.group, self.split, self.time[rows], self.clock[rows], label, self.values[rows]
        )

    def concatenate(self, other: _Rows) -> _Rows:
        label = None
        if self.label is not None and other.label is not None:
            label = np.concatenate([self.label, other.label])
        return _Rows(
            self.group,
            self.split,
            np.concatenate([self.time, other.time]),
            np.concatenate([self.clock, other.clock]),
            label,
            np.concatenate([self.values, other.values]),
        )


def cut_windows(batches: Iterator[pa.RecordBatch], cut: Cut) -> Iterator[pa.RecordBatch]:
    """Every complete window: features (binary), label, key, split, group, time (of the first step).

    The first window begins at the first row of a stretch without a break, the next ones every
    `stride` rows. A window has the class of its last step; the label of a forecast is
    (horizon * targets), all targets of the first step first.

    Args:
        batches: group, split, time (double), clock (string), maybe label (long), and the channels;
            the rows of a group and split follow one another in the order of time.
    """
    rest: _Rows | None = None
    skip = 0  # next rows that belong to no window: a stride may be longer than a window
    for stretch, continues in _cut_stretches(batches, cut):
        if continues and rest is not None:
            rest = rest.concatenate(stretch[min(skip, len(stretch.time)) :])
            skip = max(0, skip - len(stretch.time))
        else:
            rest, skip = stretch, 0
        count = max(0, (len(rest.time) - cut.num_rows) // cut.stride + 1)
        if count:
            yield from _emit_windows(rest, count, cut)
            skip = max(0, count * cut.stride - len(rest.time))
            rest = rest[count * cut.stride :]


def find_short_stretches(batches: Iterator[pa.RecordBatch], cut: Cut) -> Iterator[pa.RecordBatch]:
    """key, reason of every stretch without a break that is too short for a sample."""
    import pyarrow as pa

    short: list[tuple[str, int]] = []
    key, size = "", cut.num_rows
    for stretch, continues in _cut_stretches(batches, cut):
        if continues:
            size += len(stretch.time)
            continue
        if size < cut.num_rows:
            short.append((key, size))
        key, size = _key(stretch.group, stretch.clock[0]), len(stretch.time)
    if size < cut.num_rows:
        short.append((key, size))
    reasons = [f"{size} rows without a break, a sample needs {cut.num_rows}" for _, size in short]
    keys = pa.array([key for key, _ in short], pa.string())
    yield pa.RecordBatch.from_pydict({"key": keys, "reason": pa.array(reasons, pa.string())})


def _cut_stretches(batches: Iterator[pa.RecordBatch], cut: Cut) -> Iterator[tuple[_Rows, bool]]:
    """Rows without a break, and whether they continue the rows before them."""
    last: tuple[str, str, float] | None = None
    for batch in batches:
        if not batch.num_rows:
            continue
        columns = {name: batch.column(name) for name in batch.schema.names}
        group = columns["group"].to_numpy(zero_copy_only=False)
        split = columns["split"].to_numpy(zero_copy_only=False)
        time = columns["time"].to_numpy()
        clock = columns["clock"].to_numpy(zero_copy_only=False)
        label = columns["label"].to_numpy() if "label" in columns else None
        values = np.stack([columns[name].to_numpy() for name in cut.channels], axis=1)
        broken = (group[1:] != group[:-1]) | (split[1:] != split[:-1]) | cut.breaks(time)
        continues = last is not None and last[:2] == (group[0], split[0])
        if last is not None and continues:
            continues = not cut.breaks(np.array([last[2], time[0]]))[0]
        edges = [0, *(np.flatnonzero(broken) + 1).tolist(), len(time)]
        for start, stop in itertools.pairwise(edges):
            rows = slice(start, stop)
            stretch = _Rows(
                group[start],
                split[start],
                time[rows],
                clock[rows],
                None if label is None else label[rows],
                values[rows],
            )
            yield stretch, continues
            continues = False
        last = (group[-1], split[-1], float(time[-1]))


def _emit_windows(rows: _Rows, count: int, cut: Cut) -> Iterator[pa.RecordBatch]:
    """The first `count` windows, in batches of some megabytes."""
    import pyarrow as pa

    every = sliding_window_view(rows.values, cut.num_rows, axis=0)[:: cut.stride]
    width = cut.length * len(cut.channels) * 4
    size = max(1, _CHUNK_BYTES // width)
    for low in range(0, count, size):
        part = every[low : min(low + size, count)]  # (n, channels, needed)
        first = slice(low * cut.stride, (low + len(part) - 1) * cut.stride + 1, cut.stride)
        keys = [_key(rows.group, clock) for clock in rows.clock[first]]
        yield pa.RecordBatch.from_pydict(
            {
                "features": binary(part[:, :, : cut.length].transpose(0, 2, 1)),
                "label": _cut_labels(part, rows, first, cut),
                "key": pa.array(keys, pa.string()),
                "split": pa.array([rows.split] * len(part), pa.string()),
                "group": pa.array([rows.group] * len(part), pa.string()),
                "time": pa.array(rows.time[first], pa.float64()),
            }
        )


def _cut_labels(part: NDArray[np.float32], rows: _Rows, first: slice, cut: Cut) -> pa.Array:
    import pyarrow as pa

    if rows.label is not None:
        return pa.array(rows.label[cut.length - 1 :][first], pa.int64())
    ahead = part[:, list(cut.targets), cut.length :].transpose(0, 2, 1)  # (n, horizon, targets)
    flat = np.ascontiguousarray(ahead, np.float32).reshape(len(part), -1)
    offsets = np.arange(len(part) + 1, dtype=np.int32) * flat.shape[1]
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(flat.reshape(-1)))


def _key(group: str, clock: Any) -> str:
    return f"{group}@{clock}"
