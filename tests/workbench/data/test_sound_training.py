"""From a folder of sounds to nets that are trained, saved, and score the files in Spark."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile
from pydantic import TypeAdapter
from safetensors.torch import save

from nets import PreparationConfig
from nets.config import override
from workbench.bridge import prepare
from workbench.data import DataConfig, guess_source
from workbench.data.sources import Source
from workbench.experiments.recipes import facts_of, recipe_for
from workbench.preflight.source import describe
from workbench.scoring import read_model, score_files
from workbench.scoring.files import Paths, read_whole_files
from workbench.scoring.frames import score
from workbench.scoring.inputs import find_format
from workbench.training.evaluation import evaluate_best
from workbench.training.learner import Learner

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

RATE, NOISE = 8000, 0.3


def make_chirps(folder: Path, rows: int) -> None:
    """Rising and falling chirps in noise, from 0.2 to 0.4 s, of two rates: no single frame tells them apart."""
    random = np.random.default_rng(0)
    for i in range(rows):
        rate = RATE if i % 5 else 2 * RATE
        time = np.arange(round(random.uniform(0.2, 0.4) * rate)) / rate
        low, high = np.sort(random.uniform(300, 3000, 2)) + np.array([0, 600])
        first, last = (low, high) if i % 2 else (high, low)
        phase = first * time + (last - first) * time**2 / (2 * time[-1])
        wave = 0.3 * np.sin(2 * np.pi * phase) + 0.3 * NOISE * random.normal(size=len(time))
        place = folder / ("rising" if i % 2 else "falling") / f"{i:03d}.flac"
        place.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(place, np.clip(wave, -1, 1), rate)


@pytest.mark.long
def test_scoring_gives_what_training_evaluates(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path / "home"))
    chirps = tmp_path / "chirps"
    make_chirps(chirps, 300)
    settings = guess_source(str(chirps))
    assert settings["kind"] == "sound_folder"
    assert settings["rate"] == RATE
    assert 0.36 < settings["seconds"] < 0.4  # nine in ten are no longer
    config = DataConfig(source=TypeAdapter(Source).validate_python(settings))
    description = describe(config, PreparationConfig(), spark, samples=tmp_path / "sheet.png")
    assert description.problem is None
    assert description.rows == {"train": 210, "validation": 30, "test": 60}
    assert description.figures["resampled"] == 60
    assert any("Sounds: 60 resampled" in sentence for sentence in description.decided)
    assert (tmp_path / "sheet.png").is_file()

    facts = facts_of(description.spec, description.labels, description.rows["train"])
    cnn = override(
        recipe_for(config.source, facts, name="chirps"),
        {"training.epochs": 8, "net.dense": [16], "training.batch_size": 16},
    )
    rnn = override(cnn, {"net": {"kind": "rnn", "cell": "gru", "hidden": 32}})
    rnn = override(rnn, {"training.learning_rate": 0.01})
    session: Any = SimpleNamespace(spark=spark, prepared={}, make_room=lambda: None, prepare=None)
    prepared = prepare(cnn.data, cnn.preparation, session)
    keys = [str(key) for key in prepared.splits["test"].read()["key"]]
    files = read_whole_files(spark, [chirps / key for key in keys])
    for experiment in (cnn, rnn):
        learner = Learner(experiment, prepared)
        while not learner.finished:
            learner.train_epoch()
        trained = evaluate_best(experiment, prepared, save(learner.best_weights))
        assert trained.metrics["test/accuracy"] > 0.9, experiment.net.kind
        assert trained.metrics["baseline/linear/accuracy"] < 0.75  # bands alone do not tell
        table = pq.read_table(io.BytesIO(trained.files["evaluation/predictions.parquet"]))
        scored = score(files, trained.model, features="content", vectors=False).collect()
        answers = {Path(row["path"]).name: row for row in scored}
        for key, best, confidence in zip(
            keys, *(table[name].to_pylist() for name in ("prediction", "confidence")), strict=True
        ):
            row = answers[Path(key).name]
            assert row["predictedLabel"] == ("falling", "rising")[best]
            assert max(row["probability"]) == pytest.approx(confidence, abs=1e-4)
    inbox, saved = tmp_path / "inbox", tmp_path / "saved"
    for name, content in {
        "inbox/_first.flac": (chirps / keys[0]).read_bytes(),
        "inbox/deeper/second.flac": (chirps / keys[1]).read_bytes(),
        "inbox/empty.wav": b"",
        "inbox/.DS_Store": b"x",
        **{f"saved/{name}": content for name, content in trained.model.items()},
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    paths = Paths(input=str(inbox), output=str(tmp_path / "out"), format=find_format(str(inbox)))
    done = score_files(spark, read_model(saved), paths)
    assert (done.rows, done.without_prediction, sum(done.unread.values())) == (3, 1, 1)
    written = {
        Path(row["path"]).name.removeprefix("_"): row["predictedLabel"]
        for row in spark.read.parquet(str(tmp_path / "out")).collect()
    }
    files = zip(("first.flac", "second.flac"), keys, strict=False)
    expected = {name: answers[Path(key).name]["predictedLabel"] for name, key in files}
    assert written == {**expected, "empty.wav": None}
