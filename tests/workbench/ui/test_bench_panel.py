"""What the Bench page says of a job's training."""

from __future__ import annotations

from pathlib import Path

from workbench.progress import EpochPart
from workbench.progress.events import Events
from workbench.ui.bench_panel import describe_progress

METRICS = {
    "samples_per_s": 1234.0,
    "data/seconds_waited": 0.5,
    "data/share_waited": 0.125,
    "data/bytes": 3.0 * 2**20,
}


def test_the_part_under_way_and_what_reading_costs(tmp_path: Path) -> None:
    events = Events(tmp_path / "events.jsonl")
    assert describe_progress(events.path) == []
    events.epoch_part(EpochPart("run", 1, 3, 500, 1000, 100.0, 0.25))
    assert describe_progress(events.path) == [
        "epoch 1/3  50% of 1,000 rows, 100 a second, 5 s left  train/loss 0.25"
    ]
    events.epoch("run", 1, 3, METRICS)
    assert describe_progress(events.path) == [
        "epoch 1/3",
        "1,234 rows a second, 3.0 MiB read in an epoch; waited for data: 0.50 s, 12.5% of the training",
    ]
    events.epoch_part(EpochPart("run", 2, 3, 500, 1000, 100.0))
    assert describe_progress(events.path)[0].startswith("epoch 2/3  50% of 1,000 rows")
