"""Text, forecasts, autoencoders and uneven classes from file to recorded run, in the shared session."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import nets
from nets import AutoencoderConfig, ConfigError, PreparationConfig, RNNConfig, TrainingConfig
from nets.pyfunc import Predictor
from tests.workbench.small import digits
from tracking import MemoryRecorder
from workbench.cluster import Session
from workbench.data.canonical import Forecast
from workbench.data.config import DataConfig, SplitConfig
from workbench.data.sources import SeriesSource, TextSource
from workbench.experiments.experiment import Experiment
from workbench.experiments.space import Choice, SweepConfig
from workbench.sweeps.driver import sweep
from workbench.training import train
from workbench.training.baselines import compute_baselines

VALUES = TrainingConfig(
    epochs=6, batch_size=32, learning_rate=1e-2, loss="mse", monitor="validation/mae", mode="min"
)


def model_of(recorder: MemoryRecorder, run_id: str, folder: Path) -> nets.Net:
    for name in ("model.json", "model.safetensors"):
        files = recorder.runs[run_id].artifacts
        content = next(found for path, found in files.items() if path.endswith(name))
        (folder / name).write_bytes(content)
    return nets.load(folder)


@pytest.fixture(scope="module")
def waves(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    """A wave of period 12 around 1,000: yesterday's value is the best forecast but for the noise."""
    steps = np.arange(1200)
    noise = np.random.default_rng(0).normal(0, 5, len(steps))
    level = 1000 + 100 * np.sin(2 * np.pi * steps / 12) + noise
    path = tmp_path_factory.mktemp("waves") / "waves.csv"
    pd.DataFrame({"time": steps, "level": level, "other": -level}).to_csv(path, index=False)
    source = SeriesSource(path=str(path), targets=("level",), length=24, horizon=3, season=12)
    return Experiment(
        name="waves",
        data=DataConfig(source=source, split=SplitConfig(by="time")),
        preparation=PreparationConfig(targets="change"),
        net=RNNConfig(cell="gru", hidden=16),
        training=VALUES,
    )


@pytest.mark.cluster
def test_a_forecast_is_trained_recorded_and_compared(
    session: Session, waves: Experiment, tmp_path: Path
) -> None:
    recorder = MemoryRecorder()
    result = train(waves, session=session, recorder=recorder)
    metrics = recorder.runs[result.run_id].run.metrics
    assert metrics["test/mse"] < 0.2 * metrics["baseline/last_value/mse"]
    assert metrics["test/mse"] < 1.5 * metrics["baseline/last_season/mse"]
    assert metrics["baseline/rows"] >= 1
    assert metrics["test/mae"] > 0 and metrics["test/r2"] > 0.9
    files = recorder.runs[result.run_id].artifacts
    summary = json.loads(files["evaluation/test.json"])
    assert summary["task"] == "values" and "confusion" not in summary
    table = pq.read_table(io.BytesIO(files["evaluation/values.parquet"])).to_pandas()
    label, guess = np.stack(table["label"]), np.stack(table["prediction"])
    assert label.shape == (summary["rows"], 3)
    assert np.square(label - guess).mean() == pytest.approx(metrics["test/mse"], rel=1e-4)
    net = model_of(recorder, result.run_id, tmp_path)
    assert net.labels is None
    from safetensors.numpy import load

    samples = load(files["samples/test.safetensors"])["features"][:5]
    told = Predictor(net).predict(pd.DataFrame({"features": [s.tobytes() for s in samples]}))
    np.testing.assert_allclose(np.stack(told["prediction"]), guess[:5], rtol=1e-4)


@pytest.mark.cluster
def test_a_sweep_over_a_forecast(session: Session, waves: Experiment) -> None:
    space = {"preparation.targets": Choice(values=("standardize", "change"))}
    config = SweepConfig(
        space=space, search="grid", scheduler="none", metric="validation/loss", mode="min", keep=1
    )
    result = sweep(replace(waves, sweep=config), session=session, recorder=MemoryRecorder())
    assert [trial.status for trial in result.trials] == ["FINISHED"] * 2
    assert result.best.metrics["test/mse"] > 0
    values = [trial.value for trial in result.trials]
    assert values == sorted(values)


@pytest.mark.cluster
def test_what_labels_and_loss_do_not_share_is_refused_before_a_run(
    session: Session, waves: Experiment
) -> None:
    recorder = MemoryRecorder()
    wrong = {
        r"labels are measured values, .* training.loss 'cross_entropy'": replace(
            waves, training=TrainingConfig(), preparation=PreparationConfig()
        ),
        r"'validation/accuracy' is a metric of classes": replace(
            waves, training=replace(VALUES, monitor="validation/accuracy", mode="max")
        ),
        r"labels are 10 classes": digits(loss="mse", monitor="validation/loss", mode="min"),
        r"autoencoder's own input is measured values": replace(digits(), net=AutoencoderConfig()),
    }
    for said, experiment in wrong.items():
        with pytest.raises(ConfigError, match=said):
            train(experiment, session=session, recorder=recorder)
    with pytest.raises(ConfigError, match=r"'validation/accuracy' is a metric of classes"):
        space = {"training.batch_size": Choice(values=(32,))}
        searched = replace(waves, sweep=SweepConfig(space=space))
        sweep(searched, session=session, recorder=recorder)
    assert not recorder.runs


@pytest.mark.cluster
def test_text_is_learned_and_the_model_reads_it_raw(session: Session, tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    words = {"kind": ("good", "fine", "lovely"), "unkind": ("bad", "poor", "awful")}
    for name, own in words.items():
        lines = [
            " ".join(generator.permutation(["a", "film", "of", str(own[i % 3]), f"x{i % 40}"]))
            for i in range(150)
        ]
        (tmp_path / f"{name}.txt").write_text("\n".join(lines))
    experiment = Experiment(
        name="words",
        data=DataConfig(source=TextSource(path=str(tmp_path), max_length=8, vocabulary_size=20)),
        preparation=PreparationConfig(method="none"),
        net=RNNConfig(cell="gru", hidden=8, embedding=8, summary="max"),
        training=TrainingConfig(epochs=6, batch_size=16, learning_rate=2e-2, resample="over"),
    )
    recorder = MemoryRecorder()
    result = train(experiment, session=session, recorder=recorder)
    assert result.metrics["test/accuracy"] > 0.9
    assert result.metrics["test/macro_f1"] == pytest.approx(
        result.metrics["test/accuracy"], abs=0.1
    )
    data = json.loads(recorder.runs[result.run_id].artifacts["data.json"])
    assert data["tokens"] == 1500 and data["unknown_tokens"] > 0
    assert len(data["vocabulary"]) == 20
    folder = tmp_path / "model"
    folder.mkdir()
    predictor = Predictor(model_of(recorder, result.run_id, folder))
    told = predictor.predict(pd.DataFrame({"text": ["an awful film, so poor", "Fine! lovely."]}))
    assert told["label"].tolist() == ["unkind", "kind"]


@pytest.mark.cluster
def test_an_autoencoder_draws_digits_better_than_pca(session: Session) -> None:
    """Both with a code of 16, on the same test rows; errors of pixels scaled to [0, 1]."""
    from sklearn.decomposition import PCA

    from workbench.bridge import prepare
    from workbench.experiments import load_experiment

    experiment = load_experiment("digits_autoencoder")
    recorder = MemoryRecorder()
    result = train(experiment, session=session, recorder=recorder)
    prepared = prepare(experiment.data, experiment.preparation, session)
    flat = {name: s.read()["features"].reshape(-1, 64) / 16 for name, s in prepared.splits.items()}
    pca = PCA(experiment.net.code_size).fit(flat["train"])  # type: ignore[union-attr]
    drawn = pca.inverse_transform(pca.transform(flat["test"]))
    assert result.metrics["test/loss"] < 0.9 * np.square(drawn - flat["test"]).mean()
    described = json.loads(
        next(
            v for k, v in recorder.runs[result.run_id].artifacts.items() if k.endswith("model.json")
        )
    )
    assert described["labels"] is None


def test_baselines_are_the_last_value_and_the_last_season() -> None:
    features = np.arange(2 * 6 * 2, dtype=np.float32).reshape(2, 6, 2)
    forecast = Forecast(targets=(1,), horizon=4, season=3)
    label = np.zeros((2, 4), np.float32)
    chunks = [{"features": features[i:][:1], "label": label[i:][:1]} for i in range(2)]
    errors = compute_baselines(forecast, chunks)
    last = features[:, -1:, 1].repeat(4, axis=1)
    season = features[:, [3, 4, 5, 3], 1]
    assert errors["baseline/last_value/mse"] == pytest.approx(float((last**2).mean()))
    assert errors["baseline/last_season/mae"] == pytest.approx(float(np.abs(season).mean()))
    assert "baseline/last_season/mse" not in compute_baselines(
        Forecast(targets=(1,), horizon=4, season=None), chunks
    )


@pytest.mark.cluster
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "path", "metric", "least"),
    [("japanese_vowels", "japanese-vowels", "test/accuracy", 0.95)],
)
def test_a_shipped_experiment_reaches_its_figure(
    session: Session, real_data: Path, name: str, path: str, metric: str, least: float
) -> None:
    from workbench.experiments import load_experiment

    made: Any = load_experiment(name)
    source = replace(made.data.source, path=str(real_data / path))
    made = replace(made, data=replace(made.data, source=source))
    result = train(made, session=session, recorder=MemoryRecorder())
    assert result.metrics[metric] >= least
