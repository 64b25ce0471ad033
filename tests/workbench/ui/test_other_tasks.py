"""Pages on runs that do not tell pictures apart: a forecast, and texts of varying length."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import streamlit as st

from nets import RNNConfig, TensorSpec, TrainingConfig
from nets.prepare import PreparationConfig
from nets.statistics import Sums
from nets.text import PADDING, UNKNOWN, TextEncoding
from tests.workbench.ui.fill import open_recorder, prepare_here, train
from tests.workbench.ui.test_pages import open_page, text
from workbench.bridge import Prepared
from workbench.data.canonical import Forecast
from workbench.data.config import DataConfig, SplitConfig
from workbench.data.sources import SeriesSource, TextSource
from workbench.experiments.experiment import Experiment

SPLITS = ("train", "validation", "test")
VOCABULARY = (PADDING, UNKNOWN, "good", "bad", "film")


def forecast() -> tuple[Experiment, Prepared]:
    """Three steps ahead of the first of two channels."""
    experiment = Experiment(
        name="waves",
        data=DataConfig(
            source=SeriesSource(path="x", targets=("y",)), split=SplitConfig(by="time")
        ),
        preparation=PreparationConfig(method="none", targets="change"),
        net=RNNConfig(cell="gru", hidden=4),
        training=TrainingConfig(epochs=1, loss="mse", monitor="validation/loss", mode="min"),
    )
    features = np.random.default_rng(0).normal(size=(40, 8, 2)).astype(np.float32)
    label = features[:, -3:, 0].copy()
    targets = Sums(3)
    targets.add((label - features[:, -1:, 0]).astype(np.float64))
    prepared = prepare_here(
        TensorSpec(kind="series", shape=(8, 2)),
        {name: {"features": features, "label": label} for name in SPLITS},
        labels=None,
        num_outputs=3,
        class_counts=None,
        targets=targets.statistics(),
        forecast=Forecast(targets=(0,), horizon=3, season=None),
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


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    folder = tmp_path_factory.mktemp("others")
    recorder = open_recorder(folder)
    tasks = {"forecast": forecast(), "words": words()}
    return folder, {
        name: train(recorder, experiment, name, prepared)
        for name, (experiment, prepared) in tasks.items()
    }


@pytest.fixture
def runs(
    others: tuple[Path, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, str]]:
    folder, ids = others
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
    monkeypatch.setenv("WORKBENCH_HOME", str(folder / "home"))
    st.cache_data.clear()
    yield ids
    st.cache_data.clear()


@pytest.mark.parametrize("page", ["runs", "compare", "rnn", "cnn", "health", "launch"])
@pytest.mark.parametrize("which", ["forecast", "words"])
def test_every_page_stands_it(page: str, which: str, runs: dict[str, str]) -> None:
    open_page(page, run=runs[which], runs=",".join(runs.values()))


@pytest.mark.parametrize("part", ["Curves", "Evaluation", "Mistakes", "Net", "Reproduce"])
def test_every_part_of_a_forecasts_run(part: str, runs: dict[str, str]) -> None:
    said = text(open_page("run", run=runs["forecast"], part=part))
    if part == "Evaluation":
        assert "this net does not predict classes" in said
    if part == "Mistakes":
        assert "predictions" in said
