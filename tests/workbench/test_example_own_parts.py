"""The example file of own parts: trained in this process, its record, and the same in a session."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mlflow
import numpy as np
import onnxruntime
import pandas as pd
import pytest
import torch

import nets
from nets import ConfigError, Custom, UntrustedCodeError, inside
from nets.config import override, to_dict
from tests.workbench.ui import fill
from tracking import Reader
from workbench.bridge import Prepared
from workbench.cluster import Session
from workbench.experiments import Experiment, load_experiment, settings
from workbench.experiments.space import Choice
from workbench.export import export
from workbench.scoring import read_model, score
from workbench.sweeps.driver import sweep
from workbench.training import checks, train
from workbench.training.checks import check_before_start, check_prepared, check_values
from workbench.training.learner import Learner
from workbench.training.verify import read_recorded
from workbench.ui import forms

FILE = Path(__file__).parents[2] / "examples/own_parts.py"
SHORT = {"training.epochs": 3, "training.batch_size": 50, "net.width": 8}


@pytest.fixture(scope="module")
def example() -> Experiment:
    return override(load_experiment(str(FILE)), SHORT)  # its other functions take arguments


@pytest.fixture(scope="module")
def recorded(example: Experiment, tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """A run with the loss of the example and a net that ships."""
    folder = tmp_path_factory.mktemp("store")
    recorder = fill.open_recorder(folder)
    experiment = replace(example, net=nets.CNNConfig())
    run_id = fill.train(recorder, experiment, "own", fill.digits("cnn"))
    recorder.close()
    reader = Reader(f"sqlite:///{folder}/mlflow.db")
    return SimpleNamespace(reader=reader, run=reader.run(run_id), experiment=experiment)


def test_the_example_learns_by_its_own_net_and_loss(example: Experiment) -> None:
    listed = {each.path: each for each in settings(example)}
    assert listed["training.loss.gamma"].value == 1.5
    assert listed["training.loss.gamma"].meaning.startswith("How strongly rows")
    assert listed["data.source.classes"].value == 10
    check_before_start(example)
    learner = Learner(example, fill.digits("cnn"))
    epochs = [learner.train_epoch() for _ in range(3)]
    assert epochs[-1]["validation/accuracy"] > 0.6  # 0.1 by chance
    # The second answer counts too.
    assert all(1 > each["validation/top_k"] > each["validation/accuracy"] for each in epochs)
    assert learner.monitor.best == max(each["validation/top_k"] for each in epochs)
    missing = [0.98 - each["validation/accuracy"] for each in epochs]
    assert [each["own/missing"] for each in epochs] == pytest.approx(missing)
    easy = (Custom(example.training.callbacks[0].part, accuracy=0.5),)
    stopped = Learner(override(example, {"training.callbacks": easy}), fill.digits("cnn"))
    while not stopped.finished:
        last = stopped.train_epoch()
    assert last["own/missing"] == 0 and stopped.epoch < example.training.epochs
    plain = override(example, {"training.loss.gamma": 0})
    first = Learner(plain, fill.digits("cnn")).train_epoch()
    assert first["train/loss"] > 1.2 * epochs[0]["train/loss"]  # nothing is discounted
    cross = replace(plain, training=replace(plain.training, loss="cross_entropy"))
    shipped = Learner(cross, fill.digits("cnn")).train_epoch()
    assert first["train/loss"] == pytest.approx(shipped["train/loss"], rel=1e-4)


def test_a_run_keeps_the_code_of_its_loss_and_only_training_needs_it(
    recorded: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from nets import code, custom

    run, reader = recorded.run, recorded.reader
    assert run.params["training.loss.source"] == "own_parts.py:focal"
    assert run.params["training.loss.gamma"] == "1.5"
    assert 1 >= run.metrics["test/top_k"] > run.metrics["test/accuracy"]
    assert "code/own_parts.py" in reader.artifacts(run.run_id, "code")
    monkeypatch.setattr(custom, "_classes", {})
    monkeypatch.setattr(code, "_own", {})  # as in a process that has not seen the file
    export(reader, run, tmp_path / "net")
    assert read_model(tmp_path / "net").num_outputs == 10
    assert not (tmp_path / "net/code").exists()
    with pytest.raises(
        UntrustedCodeError, match=r"own_parts.py:digits_by_sql is code of a person's own"
    ):
        read_recorded(reader, run)
    again = read_recorded(reader, run, trust_code=True).experiment
    assert to_dict(again) == to_dict(recorded.experiment)
    Learner(again, fill.digits("cnn")).train_epoch()


@pytest.fixture(scope="module")
def measured() -> Prepared:
    """The digits as values to learn."""
    splits = {}
    for name, split in fill.digits("cnn").splits.items():
        rows = split.read(stop=split.num_rows)
        splits[name] = {"features": rows["features"], "label": rows["label"].astype(np.float32)}
    return fill.prepare_here(
        fill.digits("cnn").spec, splits, labels=None, num_outputs=1, class_counts=None
    )


def test_an_own_loss_of_values_and_what_does_not_go_with_it(
    example: Experiment, measured: Prepared
) -> None:
    huber = Custom(torch.nn.HuberLoss, reduction="none", delta=2.0)
    values = override(example, {"training.monitor": "validation/mae", "training.mode": "min"})
    errors = (Custom(torch.nn.functional.l1_loss),)
    changed = replace(values.training, loss=huber, metrics=errors, callbacks=())
    values = replace(values, training=changed)
    check_before_start(values)
    metrics = Learner(values, measured).train_epoch()
    assert metrics["validation/mae"] < 2.6 and "train/accuracy" not in metrics  # 2.5 by the mean
    assert metrics["validation/l1_loss"] == pytest.approx(metrics["validation/mae"], rel=1e-5)
    by_loss = {
        "training.metrics": (),
        "training.monitor": "validation/loss",
        "training.mode": "min",
    }
    by_l1 = {"training.monitor": "validation/l1_loss", "training.mode": "min"}
    refused: list[tuple[Experiment, dict[str, Any], Prepared, str]] = [
        (example, by_loss, measured, r"gradient of loss focal is 0 for 5 rows of outputs \(5, 1\) and values.*learns values"),
        (values, {"training.metrics": ()}, fill.digits("cnn"), "'validation/mae' is a metric of measured values"),
        (values, {"training.class_weights": "balanced"}, measured, "class_weights .* need classes"),
        (values, {"training.monitor": "validation/accuracy", "training.mode": "max"}, measured, "metric of classes"),
        (example, {"training.metrics": errors, **by_l1}, fill.digits("cnn"), "metric l1_loss fails on 5 rows"),
        (example, {"preparation.targets": "none"}, fill.digits("cnn"), "targets 'none' would change nothing"),
    ]  # fmt: skip
    for experiment, changes, prepared, message in refused:
        with pytest.raises(ConfigError, match=message):
            Learner(override(experiment, changes), prepared)


def test_a_loss_that_fits_no_task_is_refused_before_anything_starts(example: Experiment) -> None:
    mean = replace(example.training, loss=Custom(torch.nn.CrossEntropyLoss))
    with pytest.raises(
        ConfigError, match="loss CrossEntropyLoss must return one loss for each row"
    ):
        check_before_start(replace(example, training=mean))
    with pytest.raises(
        ConfigError, match=r"Unknown metric .*'validation/acuracy'.*'validation/acc"
    ):
        check_values(override(example, {"training.monitor": "validation/acuracy"}))
    for change in ({"training.focal_gamma": 3.0}, {"training.label_smoothing": 0.1}):
        with pytest.raises(ConfigError, match=r"own_parts\.py:focal"):
            check_before_start(override(example, change))


def test_metrics_of_too_many_rows_are_refused_before_training(
    example: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared = fill.digits("cnn")
    check_prepared(example, prepared)
    monkeypatch.setattr(checks, "HELD_BYTES", 10_000)
    with pytest.raises(
        ConfigError, match="functions of all rows at once, and the outputs of 300 rows"
    ):
        check_prepared(example, prepared)
    check_prepared(
        override(example, {"training.metrics": (), "training.monitor": "validation/loss", "training.mode": "min"}),
        prepared,
    )  # fmt: skip


def test_the_form_shows_an_own_loss_as_its_record(example: Experiment) -> None:
    (field,) = [each for each in forms.fields(example) if each.path == "training.loss"]
    assert field.kind == "json" and field.value["gamma"] == 1.5
    changed = json.dumps(field.value | {"gamma": 3.0})
    experiment, problems = forms.check(example, {"training.loss": changed})
    assert not problems and experiment is not None
    assert experiment.training.loss == Custom(example.training.loss.part, gamma=3.0)  # type: ignore[union-attr]


@pytest.mark.cluster
@pytest.mark.long
def test_the_example_goes_through_everything_in_a_session(
    session: Session, example: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = fill.open_recorder(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    few = override(example, {"data.source.classes": 8, "training.optimizer": "NAdam"})
    result = train(few, session=session, recorder=recorder)
    assert result.metrics["test/accuracy"] > 0.5
    reader = Reader(f"sqlite:///{tmp_path}/mlflow.db")
    run = reader.run(result.run_id)
    assert run.params["training.optimizer.source"] == "torch.optim.nadam:NAdam"
    assert run.metrics["own/missing"] > 0
    export(reader, run, tmp_path / "net", onnx=True)
    net = nets.load(tmp_path / "net")
    assert net.num_outputs == 8
    pixels = fill.digits("cnn").splits["test"].read(stop=40)["features"]
    scores = net(torch.from_numpy(np.array(pixels))).detach()
    maps = inside.feature_maps(net, torch.from_numpy(np.array(pixels[:2])))
    assert maps["body.blocks.0"].shape == (2, 8, 8, 8)
    heat = inside.attribute(net, torch.from_numpy(np.array(pixels[:1])), 3, "integrated_gradients")
    assert heat.shape == (8, 8) and np.abs(heat).max() > 0
    (by_onnx,) = onnxruntime.InferenceSession(str(tmp_path / "net/model.onnx")).run(
        None, {"features": pixels}
    )
    np.testing.assert_allclose(by_onnx, scores, atol=1e-4)
    rows = [(i, row.tobytes()) for i, row in enumerate(pixels)]
    frame = session.spark.createDataFrame(rows, "id int, features binary")
    scored = score(frame, read_model(tmp_path / "net")).orderBy("id").collect()
    assert [int(row["prediction"]) for row in scored] == scores.argmax(1).tolist()
    table = pd.DataFrame({"features": [row.tobytes() for row in pixels]})
    predicted = mlflow.pyfunc.load_model(f"runs:/{run.run_id}/model").predict(table)
    assert [int(label) for label in predicted["label"]] == scores.argmax(1).tolist()
    space = {
        "net.depth": Choice(values=(1, 2)),
        "training.loss.gamma": Choice(values=(0.0, 2.0)),
    }
    config = replace(example.sweep, space=space, search="random", num_trials=2, scheduler="none")
    found = sweep(replace(example, sweep=config), session=session, recorder=recorder)
    assert len({json.dumps(trial.settings) for trial in found.trials}) == 2
    assert all(trial.value is not None and trial.value > 0.3 for trial in found.trials)
