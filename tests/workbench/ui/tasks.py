"""Runs that do not tell pictures apart: a forecast, texts, an autoencoder; and one that diverged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nets import AutoencoderConfig, RNNConfig, TensorSpec, TrainingConfig
from nets.config import override
from nets.prepare import PreparationConfig
from nets.rate_range import RateCurve
from nets.statistics import Sums
from nets.text import PADDING, UNKNOWN, TextEncoding
from tests.workbench.ui.fill import base, digits, open_recorder, prepare_here, train
from workbench.bridge import Prepared
from workbench.data.canonical import Forecast
from workbench.data.config import DataConfig, SplitConfig
from workbench.data.sources import SeriesSource, TextSource
from workbench.errors import TrainingError
from workbench.experiments.experiment import Experiment
from workbench.training import provenance
from workbench.training.find_rate import record_curve

SPLITS = ("train", "validation", "test")
VOCABULARY = (PADDING, UNKNOWN, "good", "bad", "film")
VALUES = TrainingConfig(epochs=3, loss="mse", monitor="validation/loss", mode="min")


def forecast() -> tuple[Experiment, Prepared]:
    """Three steps ahead of the first of two channels, a wave with a season of four steps."""
    experiment = Experiment(
        name="waves",
        data=DataConfig(
            source=SeriesSource(path="x", targets=("y",), length=8, horizon=3, season=4),
            split=SplitConfig(by="time"),
        ),
        preparation=PreparationConfig(method="none", targets="change"),
        net=RNNConfig(cell="gru", hidden=4),
        training=VALUES,
    )
    generator = np.random.default_rng(0)
    time = generator.integers(0, 100, (40, 1)) + np.arange(11)
    wave = np.sin(time * np.pi / 2 + 0.3) + generator.normal(0, 0.1, (40, 11))
    features = np.stack([wave[:, :8], generator.normal(size=(40, 8))], axis=2).astype(np.float32)
    label = wave[:, 8:].astype(np.float32)
    targets = Sums(3)
    targets.add((label - features[:, -1:, 0]).astype(np.float64))
    prepared = prepare_here(
        TensorSpec(kind="series", shape=(8, 2)),
        {name: {"features": features, "label": label} for name in SPLITS},
        labels=None,
        num_outputs=3,
        class_counts=None,
        targets=targets.statistics(),
        forecast=Forecast(targets=(0,), horizon=3, season=4),
    )
    return experiment, prepared


def words() -> tuple[Experiment, Prepared]:
    """Texts of one to six words; those with "good" in them are of the second class."""
    experiment = Experiment(
        name="words",
        data=DataConfig(source=TextSource(path="x")),
        preparation=PreparationConfig(method="none"),
        net=RNNConfig(cell="gru", hidden=4, embedding=3, bidirectional=True, summary="max"),
        training=TrainingConfig(epochs=1, monitor="validation/macro_f1"),
    )
    generator = np.random.default_rng(0)
    length = generator.integers(1, 7, 40)
    ids = generator.integers(1, 5, (40, 6))
    ids = np.where(np.arange(6) < length[:, None], ids, 0).astype(np.int32)
    label = (ids == 2).any(axis=1).astype(np.int64)
    rows = {"features": ids, "label": label, "length": length}
    prepared = prepare_here(
        TensorSpec(kind="tokens", shape=(6,), dtype="int32", vocabulary_size=len(VOCABULARY)),
        {name: rows for name in SPLITS},
        labels=("no", "yes"),
        num_outputs=2,
        class_counts=tuple(np.bincount(label).tolist()),
        text=TextEncoding(tokenizer="words", lowercase=True, max_length=6, vocabulary=VOCABULARY),
    )
    return experiment, prepared


def autoencoder() -> tuple[Experiment, Prepared]:
    """Digits through a code of eight numbers."""
    experiment = Experiment(
        name="digits_autoencoder",
        net=AutoencoderConfig(code_size=8, hidden=(32,)),
        preparation=PreparationConfig(method="standardize"),
        training=replace(VALUES, batch_size=50, learning_rate=0.005),
    )
    return experiment, digits("cnn")


def diverge(folder: Path) -> str:
    """Train with a learning rate that no net survives; the failed run's id."""
    recorder = open_recorder(folder)
    changes = {"training.optimizer": "sgd", "training.learning_rate": 3.0}
    experiment = override(base(), changes | {"name": "too_fast"})
    with pytest.raises(TrainingError):
        train(recorder, experiment, "diverged")
    (run,) = (
        run
        for found in recorder.client.search_experiments(filter_string="name = 'too_fast'")
        for run in recorder.client.search_runs([found.experiment_id])
    )
    recorder.client.update_run(run.info.run_id, name="diverged")
    return str(run.info.run_id)


def fill_tasks(folder: Path) -> dict[str, str]:
    """A store with one run of each task, and one that failed; name to run id."""
    recorder = open_recorder(folder)
    tasks = {"forecast": forecast(), "words": words(), "autoencoder": autoencoder()}
    runs = {
        name: train(recorder, experiment, name, prepared)
        for name, (experiment, prepared) in tasks.items()
    }
    runs["cnn"] = train(recorder, base(**{"training.epochs": 1}), "relu")
    runs["cnn_slow"] = train(
        recorder,
        base(**{"training.epochs": 1, "training.learning_rate": 2e-8, "net.activation": "tanh"}),
        "slow",
    )
    runs["diverged"] = diverge(folder)
    rates = RateCurve(
        rates=(1e-3, 1e-2, 1e-1), losses=(2.3, 1.5, 4.0), suggestion=0.0123, end="risen"
    )
    tags = provenance.tags(base(), "lr_find", "f00d")
    runs["rates"] = recorder.start("digits_cnn", "rates", params={}, tags=tags)
    record_curve(recorder, runs["rates"], rates)
    recorder.finish(runs["rates"], "FINISHED")
    recorder.flush()
    return runs
