"""Pages on runs that do not tell pictures apart: a forecast, and texts of varying length."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import streamlit as st
import torch
from safetensors.torch import save_file

import nets
from nets import RNNConfig, TensorSpec, TrainingConfig
from nets.batches import Batch, batches
from nets.config import to_dict
from nets.fit import Fit
from nets.metrics import confusion, per_class
from nets.prepare import PreparationConfig
from nets.restore import Restore
from nets.text import PADDING, UNKNOWN, TextEncoding
from tests.workbench.ui.fill import Store
from tests.workbench.ui.test_pages import open_page, text
from workbench.data.config import DataConfig, SplitConfig
from workbench.data.sources import SeriesSource, TextSource
from workbench.experiments.experiment import Experiment

VOCABULARY = (PADDING, UNKNOWN, "good", "bad", "film")


def forecast() -> tuple[Experiment, nets.Net, Batch]:
    experiment = Experiment(
        name="waves",
        data=DataConfig(source=SeriesSource(path="x", targets=("y",)), split=SplitConfig(by="time")),
        preparation=PreparationConfig(method="none", targets="change"),
        net=RNNConfig(cell="gru", hidden=4),
        training=TrainingConfig(epochs=1, loss="mse", monitor="validation/loss", mode="min"),
    )  # fmt: skip
    restore = Restore(torch.zeros(3), torch.ones(3), torch.zeros(3, dtype=torch.int64))
    net = nets.build(experiment.net, TensorSpec(kind="series", shape=(8, 2)), 3, restore=restore)
    features = torch.randn(40, 8, 2, generator=torch.Generator().manual_seed(0))
    return experiment, net, Batch(features, features[:, -3:, 0].contiguous())


def words() -> tuple[Experiment, nets.Net, Batch]:
    experiment = Experiment(
        name="words",
        data=DataConfig(source=TextSource(path="x")),
        preparation=PreparationConfig(method="none"),
        net=RNNConfig(cell="gru", hidden=4, embedding=3, bidirectional=True, summary="max"),
        training=TrainingConfig(epochs=1, monitor="validation/macro_f1"),
    )
    spec = TensorSpec(kind="tokens", shape=(6,), dtype="int32", vocabulary_size=len(VOCABULARY))
    net = nets.build(experiment.net, spec, 2)
    net.text = TextEncoding(tokenizer="words", lowercase=True, max_length=6, vocabulary=VOCABULARY)
    generator = torch.Generator().manual_seed(0)
    length = torch.randint(1, 7, (40,), generator=generator)
    ids = torch.randint(1, 5, (40, 6), generator=generator)
    ids = torch.where(torch.arange(6) < length[:, None], ids, 0).to(torch.int32)
    return experiment, net, Batch(ids, (ids == 2).any(1).long(), length)


def recorded(store: Store, experiment: Experiment, net: nets.Net, data: Batch) -> str:
    """An epoch on the rows, and the run in the layout that the workbench records."""
    fit = Fit(net, experiment.training, steps_per_epoch=5)
    run_id = store.start(experiment, experiment.name, "train")
    values = fit.train_epoch(batches(data, 8, seed=0, epoch=0))
    found = fit.evaluate(batches(data, 40, seed=0, epoch=0, shuffle=False))
    store.metrics(run_id, values | found.metrics("validation") | {"epoch": 1.0}, 1)
    store.metrics(run_id, found.metrics("test") | {"baseline/last_value/mse": 2.0}, 1)
    classes = found.task == "classes"
    labels = ["no", "yes"] if classes else None
    store.json(run_id, "experiment.json", to_dict(experiment))
    rows = {"spec": to_dict(net.spec), "labels": labels, "rows": {"train": 40, "test": 40}}
    store.json(run_id, "data.json", rows | ({"vocabulary": VOCABULARY} if classes else {}))
    told = {"task": found.task} | found.metrics("test")
    if classes:
        table = per_class(found.scores, found.labels, 2)._asdict()
        told |= {"labels": labels, "confusion": confusion(found.scores, found.labels, 2).tolist()}
        told |= {"per_class": {name: column.tolist() for name, column in table.items()}}
        best = found.scores.softmax(1).max(1)
        frame = pd.DataFrame(
            {
                "row": np.arange(40), "label": found.labels, "prediction": best.indices,
                "confidence": best.values, "loss": found.losses,
            }
        )  # fmt: skip
        store.file(run_id, "evaluation/predictions.parquet", frame.to_parquet)
    store.json(run_id, "evaluation/test.json", told)
    kept = {name: value for name, value in data._asdict().items() if value is not None}
    kept["row"] = torch.arange(40)
    store.file(run_id, "samples/test.safetensors", lambda f: save_file(kept, f))
    nets.save(net, store.folder / "model", labels=labels)
    store.client.log_artifacts(run_id, str(store.folder / "model"), "model/data")
    store.client.set_terminated(run_id, "FINISHED")
    return run_id


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    folder = tmp_path_factory.mktemp("others")
    store = Store(folder)
    made = {"forecast": forecast(), "words": words()}
    return folder, {name: recorded(store, *parts) for name, parts in made.items()}


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
