"""The learning-rate finder: in this process on prepared rows, and once in a session."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from nets import ConfigError, Custom
from nets.rate_range import RateCurve, spaced_rates
from nets.spec import TensorSpec
from tests.workbench.small import digits
from tracking import MemoryRecorder
from workbench.bridge import Prepared, store_arrays
from workbench.cluster import ClusterConfig, Session
from workbench.experiments.experiment import Experiment
from workbench.progress import Event, Note, Progress
from workbench.training import train
from workbench.training.find_rate import find_learning_rate, record_curve
from workbench.training.rates import measure_rates

SPEC = TensorSpec(kind="image", shape=(1, 8, 8), dtype="uint8")


class Notes(Progress):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def handle(self, event: Event) -> None:
        if isinstance(event, Note):
            self.notes.append(event.text)


@pytest.fixture
def prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Prepared:
    """100 rows of two classes: fewer batches than rates."""
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path / "home"))
    generator = np.random.default_rng(0)
    label = generator.integers(0, 2, 100)
    features = generator.integers(0, 100, (100, *SPEC.shape)).astype(np.uint8)
    features[:, 0, :4] += (100 * label[:, None, None]).astype(np.uint8)
    return store_arrays(
        {"train": {"features": features, "label": label}},
        SPEC,
        labels=("no", "yes"),
        num_outputs=2,
        statistics=None,
        class_counts=tuple(np.bincount(label).tolist()),
    )


def twice(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return 2 * torch.nn.functional.cross_entropy(outputs, targets, reduction="none")


def two_classes(**training: object) -> Experiment:
    preparation = replace(digits().preparation, method="none")
    return replace(digits(**{"batch_size": 20} | training), preparation=preparation)


@pytest.mark.parametrize("resample", ["none", "over"])
def test_it_goes_over_the_rows_again_until_all_rates_are_tried(
    prepared: Prepared, resample: str
) -> None:
    rates = spaced_rates(1e-7, 10.0, 60)  # 5 or 6 batches a pass
    experiment = two_classes(resample=resample)
    curve, used = measure_rates(experiment, prepared, rates)
    assert 40 < len(curve.losses) <= 60
    assert curve.suggestion is not None
    assert 1e-4 < curve.suggestion < 1
    assert used["workbench.used.workers"] == "1"
    assert int(used["workbench.used.steps_per_epoch"]) in (5, 6)
    other_length = two_classes(resample=resample, epochs=7, schedule="one_cycle", learning_rate=3.0)
    assert measure_rates(other_length, prepared, rates)[0] == curve


def test_a_loss_of_a_persons_own_is_used(prepared: Prepared) -> None:
    rates = spaced_rates(1e-7, 10.0, 60)
    shipped = measure_rates(two_classes(), prepared, rates)[0]
    doubled = measure_rates(two_classes(loss=Custom(twice)), prepared, rates)[0]
    assert doubled.losses[0] == pytest.approx(2 * shipped.losses[0], rel=1e-6)


def test_the_curve_is_recorded_by_step() -> None:
    recorder = MemoryRecorder()
    run_id = recorder.start("x", "x", params={}, tags={})
    curve = RateCurve(rates=(0.1, 0.2), losses=(3.0, 2.0), suggestion=0.2, end="risen")
    record_curve(recorder, run_id, curve)
    history = recorder.runs[run_id].history
    assert history["lr_find/loss"] == {1: 3.0, 2: 2.0}
    assert history["lr_find/learning_rate"] == {1: 0.1, 2: 0.2}
    assert history["lr_find/suggestion"] == {0: 0.2}
    none = recorder.start("x", "x", params={}, tags={})
    record_curve(recorder, none, replace(curve, suggestion=None))
    assert "lr_find/suggestion" not in recorder.runs[none].history


def test_bad_rates_are_refused_before_anything_starts() -> None:
    recorder = MemoryRecorder()
    with pytest.raises(ConfigError, match="at least 20"):
        find_learning_rate(digits(), steps=3, recorder=recorder)
    assert recorder.runs == {}


@pytest.mark.cluster
@pytest.mark.slow
def test_a_session_tries_rates_records_the_run_and_trains_better_with_the_suggestion(
    session: Session,
) -> None:
    recorder, progress = MemoryRecorder(), Notes()
    shared = replace(digits(), cluster=ClusterConfig(num_workers=2))
    found = find_learning_rate(shared, session=session, recorder=recorder, progress=progress)
    assert any("One worker tries the learning rates" in note for note in progress.notes)
    recorded = recorder.runs[found.run_id]
    assert recorded.run.tags["workbench.kind"] == "lr_find"
    assert recorded.run.status == "FINISHED"
    assert list(recorded.history["lr_find/loss"].values()) == list(found.losses)
    assert found.suggestion is not None
    assert 1e-4 < found.suggestion < 0.3
    assert all(map(math.isfinite, found.losses))

    def reached(rate: float) -> float:
        experiment = digits(epochs=2, learning_rate=rate)
        result = train(experiment, session=session, recorder=MemoryRecorder())
        return result.metrics["validation/accuracy"]

    assert reached(found.suggestion) > reached(found.suggestion / 100) + 0.2
