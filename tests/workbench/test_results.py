"""Results as plain values."""

from __future__ import annotations

import dataclasses
import json

from workbench.results import Configuration, SweepResult, TrialResult


def test_a_sweeps_result_is_the_same_after_json() -> None:
    trial = TrialResult(number=1, run_id="r", settings={"net.activation": "relu"}, value=0.5)
    folds = Configuration(settings={}, trials=[trial], mean=0.5, deviation=None)
    result = SweepResult(
        run_id="s", trials=[trial], interrupted=True, configurations=[folds], rows=300
    )
    assert SweepResult.from_dict(json.loads(json.dumps(dataclasses.asdict(result)))) == result


def test_checkpoints_are_not_read_back() -> None:
    trial = TrialResult(number=1, run_id="r", settings={}, checkpoint="/gone")
    fields = dataclasses.asdict(SweepResult(run_id="s", trials=[trial]))
    assert SweepResult.from_dict(fields).best.checkpoint is None
