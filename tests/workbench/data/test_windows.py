"""Windows against a direct computation, however the rows are batched."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.data.windows import Cut, cut_windows, find_short_stretches

Row = tuple[str, str, float, list[float]]


def direct(rows: list[Row], cut: Cut) -> tuple[dict[str, Any], list[str]]:
    """Every window and every short stretch, by counting on the fingers."""
    stretches: list[list[Row]] = []
    for row in rows:
        before = stretches[-1][-1] if stretches else None
        follows = (
            before is not None
            and before[:2] == row[:2]
            and (cut.step is None or abs(row[2] - before[2] - cut.step) < 1e-6)
        )
        stretches[-1].append(row) if follows else stretches.append([row])
    found, short = {}, []
    for stretch in stretches:
        if len(stretch) < cut.num_rows:
            short.append(f"{stretch[0][0]}@{stretch[0][2]:g}")
        for start in range(0, len(stretch) - cut.num_rows + 1, cut.stride):
            group, split, time, _ = stretch[start]
            values = np.array([row[3] for row in stretch[start : start + cut.num_rows]], np.float32)
            label = values[cut.length :, list(cut.targets)].reshape(-1)
            found[f"{group}@{time:g}"] = (split, values[: cut.length], label)
    return found, short


def batched(rows: list[Row], sizes: list[int], num_channels: int) -> list[pa.RecordBatch]:
    table = pa.table(
        {
            "group": pa.array([row[0] for row in rows], pa.string()),
            "split": pa.array([row[1] for row in rows], pa.string()),
            "time": pa.array([row[2] for row in rows], pa.float64()),
            "clock": pa.array([f"{row[2]:g}" for row in rows], pa.string()),
            **{
                f"c{i}": pa.array([row[3][i] for row in rows], pa.float32())
                for i in range(num_channels)
            },
        }
    )
    found, start = [], 0
    for size in [*sizes, len(rows)]:
        found += table.slice(start, size).combine_chunks().to_batches()
        start += size
    return found


@st.composite
def series(draw: st.DrawFn) -> list[Row]:
    rows: list[Row] = []
    for group in range(draw(st.integers(0, 3))):
        time = 0.0
        split = "train"
        for _ in range(draw(st.integers(1, 30))):
            if draw(st.integers(0, 12)) == 0:
                split = "test"
            rows.append((f"g{group}", split, time, [float(len(rows)), -float(len(rows))]))
            time += draw(st.sampled_from([1.0, 1.0, 1.0, 1.0, 1.0, 2.0, 0.5]))
    return rows


@settings(max_examples=200, deadline=None)
@given(
    rows=series(),
    sizes=st.lists(st.integers(0, 9), max_size=6),
    length=st.integers(1, 6),
    horizon=st.integers(1, 3),
    stride=st.integers(1, 12),
    step=st.sampled_from([1.0, None]),
    targets=st.sampled_from([(0,), (1, 0)]),
)
def test_windows_are_those_of_a_direct_computation(
    rows: list[Row],
    sizes: list[int],
    length: int,
    horizon: int,
    stride: int,
    step: float | None,
    targets: tuple[int, ...],
) -> None:
    cut = Cut(
        channels=("c0", "c1"),
        targets=targets,
        length=length,
        horizon=horizon,
        stride=stride,
        step=step,
    )
    expected, short = direct(rows, cut)
    batches = batched(rows, sizes, 2)
    found = [row for batch in cut_windows(iter(batches), cut) for row in batch.to_pylist()]
    assert [row["key"] for row in found] == list(expected)
    for row in found:
        split, values, label = expected[row["key"]]
        assert row["split"] == split
        np.testing.assert_array_equal(
            np.frombuffer(row["features"], np.float32).reshape(length, 2), values
        )
        np.testing.assert_array_equal(np.array(row["label"], np.float32), label)
    set_aside = [
        row for batch in find_short_stretches(iter(batches), cut) for row in batch.to_pylist()
    ]
    assert [row["key"] for row in set_aside] == short


def test_a_window_has_the_class_of_its_last_step() -> None:
    rows: list[Row] = [("g", "train", float(i), [float(i)]) for i in range(6)]
    batch = batched(rows, [], 1)[0].append_column("label", pa.array([0, 0, 1, 1, 2, 2]))
    cut = Cut(channels=("c0",), targets=(), length=3, horizon=0, stride=2, step=1.0)
    (found,) = cut_windows(iter([batch]), cut)
    assert found["label"].to_pylist() == [1, 2]
    assert found["time"].to_pylist() == [0.0, 2.0]


def test_many_windows_are_sent_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.data.windows._CHUNK_BYTES", 100)
    rows: list[Row] = [("g", "train", float(i), [float(i)]) for i in range(50)]
    cut = Cut(channels=("c0",), targets=(0,), length=5, horizon=2, stride=3, step=1.0)
    parts = list(cut_windows(iter(batched(rows, [], 1)), cut))
    assert len(parts) == 3
    assert [row["time"] for part in parts for row in part.to_pylist()] == list(range(0, 44, 3))
