"""What is refused before Ray starts, and what a failed worker's error becomes."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from ray.exceptions import RayTaskError

from nets import AutoencoderConfig, ConfigError, DivergedError, TrainingConfig
from nets.augment import AugmentConfig
from nets.errors import ModelFileError
from tests.workbench.small import digits, digits_sweep, prepared
from workbench.data import DataConfig, SplitConfig
from workbench.data.sources import TableSource
from workbench.errors import ClusterError, DataError, TrainingError
from workbench.experiments.space import Choice
from workbench.sweeps import variants
from workbench.sweeps.checks import check_space
from workbench.training.baselines import commonest_class_baseline, mean_baseline
from workbench.training.causes import find_cause
from workbench.training.checks import check_before_start, check_prepared, describe_large_batch
from workbench.training.driver import train


def test_a_metric_that_no_training_has_is_refused_with_a_suggestion() -> None:
    wrong = digits(monitor="validation/acuracy")
    with pytest.raises(ConfigError, match=r"'validation/acuracy'.*'validation/accuracy'"):
        train(wrong)  # no session: nothing is started
    with pytest.raises(ConfigError, match=r"'validation/acuracy'.*'validation/accuracy'"):
        check_space(digits_sweep(metric="validation/acuracy"))


@pytest.mark.parametrize(
    "name",
    ["validation/accuracy", "validation/macro_f1", "train/accuracy", "health/conv/dead_share"],
)
def test_metrics_that_a_training_has_are_taken(name: str) -> None:
    check_before_start(digits(monitor=name))


def test_a_metric_of_classes_is_refused_for_measured_values() -> None:
    values: dict[str, Any] = {"loss": "mse", "mode": "min"}
    check_before_start(digits(monitor="validation/r2", loss="mse"))
    with pytest.raises(ConfigError, match="is a metric of classes"):
        check_before_start(digits(monitor="validation/accuracy", **values))
    drawn = replace(digits(monitor="validation/loss", **values), net=AutoencoderConfig())
    check_before_start(drawn)
    with pytest.raises(ConfigError, match=r"Unknown metric .*'validation/mae'"):
        check_before_start(drawn, "validation/mae")


def test_an_augmentation_for_other_rows_is_refused_before_the_start() -> None:
    with pytest.raises(ConfigError, match=r"augment\.jitter works on series rows, got image rows"):
        train(digits(augment=AugmentConfig(jitter=0.1)))
    space = {"training.augment.crop": Choice(values=(0, 99))}
    with pytest.raises(ConfigError, match=r"augment\.crop .* at most 7"):
        check_space(digits_sweep(space=space))
    drawn = replace(digits(), net=AutoencoderConfig())
    values: dict[str, Any] = {"loss": "mse", "monitor": "validation/loss", "mode": "min"}
    mixed = TrainingConfig(augment=AugmentConfig(mixup=0.2), **values)
    with pytest.raises(ConfigError, match="mix labels, and an autoencoder has none"):
        check_before_start(replace(drawn, training=mixed))
    # Rows that come from elsewhere are not those of `data.source`.
    check_before_start(digits(augment=AugmentConfig(jitter=0.1)), reads_source=False)


def test_without_validation_rows_what_needs_them_is_refused() -> None:
    none = SplitConfig(validation=0)
    everything = replace(digits(), data=DataConfig(split=none))
    check_before_start(everything)
    with pytest.raises(ConfigError, match=r"training\.patience 2 waits .* Set data\.split\.valid"):
        train(replace(digits(patience=2), data=DataConfig(split=none)))
    own_metric = digits(patience=2, monitor="train/loss", mode="min")
    check_before_start(replace(own_metric, data=DataConfig(split=none)))
    with pytest.raises(ConfigError, match=r"sweep\.metric validation/accuracy ranks"):
        check_space(replace(digits_sweep(), data=DataConfig(split=none)))
    with pytest.raises(ConfigError, match=r"sweep\.metric validation/accuracy ranks"):
        space = {"data.split.validation": Choice(values=(0.1, 0.0))}
        check_space(digits_sweep(space=space))
    check_space(replace(digits_sweep(metric="train/accuracy"), data=DataConfig(split=none)))
    folds = SplitConfig(validation=0, folds=3)
    check_before_start(replace(digits(patience=2), data=DataConfig(split=folds)))
    own = TableSource(path="rows.parquet", label="kind", split="part")
    check_before_start(replace(digits(patience=2), data=DataConfig(source=own, split=none)))


def test_training_on_every_row_says_what_cannot_be_had() -> None:
    assert check_prepared(digits(), prepared(train=8, validation=2)) == []
    [note] = check_prepared(digits(), prepared(train=8, test=2))
    assert "the last epoch is kept" in note
    assert "test rows" not in note
    [note] = check_prepared(digits(monitor="train/loss", mode="min"), prepared(train=8))
    assert "the best epoch is chosen by train/loss" in note
    assert "the final evaluation is on training rows" in note
    with pytest.raises(ConfigError, match=r"training\.patience 2"):
        check_prepared(digits(patience=2), prepared(train=8))
    with pytest.raises(ConfigError, match=r"sweep\.metric validation/loss"):
        check_prepared(digits(), prepared(train=8), "validation/loss")


def test_prepared_data_needs_a_row_for_each_worker() -> None:
    several = replace(digits(), cluster=replace(digits().cluster, num_workers=4))
    with pytest.raises(ConfigError, match="got 3 rows for 4 workers"):
        check_prepared(several, prepared(train=3, validation=2))


def test_a_batch_larger_than_the_training_rows_is_noted() -> None:
    assert describe_large_batch(1258, 1258) is None
    note = describe_large_batch(100_000, 1258)
    assert note is not None
    assert "100000 is larger than the 1258 training rows: an epoch is one step" in note


def test_a_sweep_notes_its_largest_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    data = prepared(train=50, validation=2)
    monkeypatch.setattr(variants, "prepare_experiment", lambda *_, **__: data)
    monkeypatch.setattr(variants, "check_task", lambda *_: None)
    monkeypatch.setattr(variants, "new_net", lambda *_: None)
    notes: list[str] = []
    progress: Any = SimpleNamespace(note=notes.append)
    session: Any = None
    variants.prepare_variants(digits_sweep(), session, progress)  # searches 32 and 64
    assert len(notes) == 1
    assert notes[0].startswith("training.batch_size 64 is larger than the 50 training rows")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ConfigError("crop must be below 8."), ConfigError),
        (DataError("No rows."), DataError),
        (ClusterError("No room."), ClusterError),
        (TrainingError("It ended."), TrainingError),
        (ModelFileError("Cut short."), ModelFileError),
        (DivergedError("The loss is nan."), TrainingError),
    ],
)
def test_a_workers_own_error_comes_back_as_its_message_alone(
    error: Exception, kind: type[Exception]
) -> None:
    wrapped = RayTaskError("train", "Traceback ...\nnets.errors.ConfigError: ...", error)
    outer = RuntimeError("Training failed")
    outer.__cause__ = wrapped.as_instanceof_cause()
    several = SimpleNamespace(worker_failures={0: wrapped.as_instanceof_cause()})
    for failure in (wrapped, wrapped.as_instanceof_cause(), outer, several, error):
        cause = find_cause(failure)  # type: ignore[arg-type]
        assert type(cause) is kind
        assert str(cause) == str(error)


def test_another_error_keeps_its_last_line() -> None:
    wrapped = RayTaskError("train", "Traceback ...\nKeyError: 'x'", KeyError("x"))
    cause = find_cause(wrapped.as_instanceof_cause())
    assert type(cause) is TrainingError
    assert str(cause) == "The training failed: KeyError: 'x'"


def test_the_commonest_class_is_the_one_of_the_training_rows() -> None:
    counts, label = (10, 30, 20), np.array([1, 2, 2, 2])
    assert commonest_class_baseline(counts, label) == {"baseline/commonest_class/accuracy": 0.25}
    assert commonest_class_baseline(counts, np.array([])) == {}


def test_the_mean_is_the_one_of_the_training_rows() -> None:
    assert mean_baseline([2.0], np.array([1.0, 4.0])) == {"baseline/mean/mse": 2.5}
    assert mean_baseline([0.0, 1.0], np.array([[1.0, 1.0]])) == {"baseline/mean/mse": 0.5}


def test_the_default_experiment_is_taken() -> None:
    check_before_start(replace(digits(), training=TrainingConfig()))
