"""A training's numbers are the same wherever a person or a program reads them.

Random small experiments are trained and recorded once; each test compares what one group of places
says with the result that the training returned.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import onnxruntime
import pandas as pd
import pytest
import streamlit as st
import torch
from mlflow import MlflowClient
from sklearn.datasets import load_digits
from sklearn.metrics import f1_score
from typer.testing import CliRunner

import nets
from nets import (
    AutoencoderConfig,
    BlockConfig,
    CNNConfig,
    RNNConfig,
    TensorSpec,
    TrainingConfig,
    fast_resnet,
)
from nets.config import flatten
from nets.prepare import PreparationConfig
from tests.workbench.ui.fill import open_recorder, prepare_here, train_result
from tracking import Reader
from workbench.bridge import Prepared
from workbench.cli.commands import app
from workbench.cli.launch import _show_training
from workbench.experiments.experiment import Experiment
from workbench.export import export
from workbench.results import TrainResult
from workbench.ui import store
from workbench.ui.inside import artifacts
from workbench.ui.runs import table as runs_table

pytestmark = [
    pytest.mark.long,
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.xdist_group("same numbers"),  # the trained runs stay in one process
]

SEED = 2026
TOLERANCE = 1e-4
"""Of what is computed again, relative and absolute."""
KINDS = ("cnn", "cnn series", "resnet", "lstm", "gru", "gru lengths", "autoencoder")
EACH = 8
"""Experiments of each kind."""
RATES = {"sgd": 0.03, "adam": 0.004, "adamw": 0.004, "adagrad": 0.03, "rmsprop": 0.0005}
ACTIVATIONS = ("sigmoid", "tanh", "relu", "leaky_relu", "elu", "maxout", "gelu", "silu")
MONITORS = (
    ("validation/accuracy", "max"),
    ("validation/loss", "min"),
    ("validation/macro_f1", "max"),
)


@dataclass(frozen=True, kw_only=True)
class Trained:
    """One experiment, what its training returned, and its files."""

    kind: str
    experiment: Experiment
    prepared: Prepared
    result: TrainResult
    folder: Path
    """What `workbench export --onnx` wrote."""

    @property
    def id(self) -> str:
        return self.result.run_id

    @property
    def metrics(self) -> dict[str, float]:
        return self.result.metrics

    @property
    def monitor(self) -> str:
        return self.experiment.training.monitor

    @property
    def has_classes(self) -> bool:
        return self.kind != "autoencoder"

    @property
    def params(self) -> dict[str, Any]:
        return {
            path: value
            for path, value in flatten(self.experiment).items()
            if path.startswith(("net.", "training.", "preparation."))
        }

    def differ(self, what: str, first: str, one: Any, second: str, other: Any) -> str:
        """The sentence on two places that differ, with the settings that are not the defaults."""
        settings = []
        for part in (self.experiment.net, self.experiment.preparation, self.experiment.training):
            defaults = flatten(type(part)())
            settings += [f"{k}={v}" for k, v in flatten(part).items() if v != defaults.get(k)]
        return f"{what}: {first} {one!r}, {second} {other!r}; {self.kind}: {' '.join(settings)}"

    def compare(self, what: str, places: Mapping[str, Any], *, computed: bool = False) -> list[str]:
        """Sentences on the places that differ from the first one.

        Args:
            computed: the numbers were computed again, and are not the same stored ones.
        """
        (first, value), *others = places.items()
        close = dict(rel_tol=TOLERANCE, abs_tol=TOLERANCE) if computed else None

        def same(other: Any) -> bool:
            if other is None or value is None or close is None:
                return bool(other == value)
            return math.isclose(other, value, **close)

        return [
            self.differ(what, first, value, place, other)
            for place, other in others
            if not same(other)
        ]


def small_digits(kind: str) -> Prepared:
    """Digits of which some classes have few rows, as a net of this kind takes them."""
    pixels, label = load_digits(return_X_y=True)
    generator = np.random.default_rng(SEED)
    kept = generator.random(len(label)) < np.where(label < 7, 0.5, 0.25)
    pixels, label = pixels[kept], label[kept].astype(np.int64)
    series = kind in ("cnn series", "lstm", "gru", "gru lengths")
    spec = (
        TensorSpec(kind="series", shape=(8, 8), dtype="float32")
        if series
        else TensorSpec(kind="image", shape=(1, 8, 8), dtype="uint8")
    )
    features = pixels.reshape(-1, *spec.shape).astype(spec.dtype)
    columns = {"features": features, "label": label}
    if kind == "gru lengths":
        length = generator.integers(4, 9, len(label))
        features[np.arange(8) >= length[:, None]] = 0
        columns["length"] = length
    cut = {"train": slice(0, 400), "validation": slice(400, 520), "test": slice(520, None)}
    return prepare_here(
        spec,
        {name: {key: c[rows] for key, c in columns.items()} for name, rows in cut.items()},
        labels=tuple("0123456789"),
        num_outputs=10,
        class_counts=tuple(np.bincount(label[cut["train"]], minlength=10).tolist()),
    )


def draw(kind: str, generator: np.random.Generator) -> Experiment:
    """A small random experiment."""

    def one_of(*values: Any) -> Any:
        return values[generator.integers(len(values))]

    activation, dropout = one_of(*ACTIVATIONS), one_of(0.0, 0.1, 0.3)
    cell: Any = kind.split()[0]
    width = int(generator.integers(4, 13))
    net: Any
    if kind.startswith("cnn"):
        net = CNNConfig(
            blocks=(BlockConfig(channels=width), BlockConfig(channels=2 * width)),
            dense=one_of((), (16,)),
            activation=activation,
            batch_norm=one_of(True, False),
            dropout=dropout,
        )
    elif kind == "resnet":
        net = fast_resnet(4, activation)
    elif kind == "autoencoder":
        net = AutoencoderConfig(
            code_size=width, hidden=(32,), activation=activation, dropout=dropout
        )
    else:
        net = RNNConfig(
            cell=cell,
            hidden=2 * width,
            bidirectional=one_of(True, False),
            summary=one_of("last", "mean", "max", "mean_max"),
            dense=(16,),
            activation=activation,
            dropout=dropout,
        )
    optimizer = one_of(*RATES)
    monitor, mode = one_of(*MONITORS)
    loss = one_of("cross_entropy", "focal")
    values = {
        "loss": loss,
        "label_smoothing": one_of(0.0, 0.1) if loss == "cross_entropy" else 0.0,
        "class_weights": one_of("none", "square_root", "balanced"),
    }
    if kind == "autoencoder":
        monitor, mode, values = "validation/loss", "min", {"loss": "mse"}
    training = TrainingConfig(
        epochs=int(generator.integers(1, 4)),
        batch_size=one_of(16, 32, 50, 100),
        learning_rate=float(RATES[optimizer] * 2 ** generator.uniform(-2, 1)),
        optimizer=optimizer,
        monitor=monitor,
        mode=mode,
        patience=int(generator.integers(0, 3)),
        seed=int(generator.integers(1000)),
        **values,
    )
    return Experiment(
        name=f"same_{kind.replace(' ', '_')}",
        net=net,
        preparation=PreparationConfig(method=one_of("none", "standardize")),
        training=training,
    )


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, list[Trained]]:
    """One store's address, and all experiments, trained and recorded there."""
    folder = tmp_path_factory.mktemp("same")
    generator = np.random.default_rng(SEED)
    prepared = {kind: small_digits(kind) for kind in KINDS}
    uri = f"sqlite:///{folder}/mlflow.db"
    drawn = [(kind, draw(kind, generator)) for _ in range(EACH) for kind in KINDS]
    results = []
    with contextlib.closing(open_recorder(folder)) as recorder:
        for number, (kind, experiment) in enumerate(drawn):
            name = f"run {number}"
            results.append(train_result(recorder, experiment, name, prepared[kind]))
    reader = Reader(uri)
    found = []
    for (kind, experiment), result in zip(drawn, results, strict=True):
        target = folder / "exported" / result.run_id
        export(reader, reader.run(result.run_id), target, onnx=True)
        found.append(
            Trained(
                kind=kind,
                experiment=experiment,
                prepared=prepared[kind],
                result=result,
                folder=target,
            )
        )
    return uri, found


@pytest.fixture
def trained(
    recorded: tuple[str, list[Trained]], monkeypatch: pytest.MonkeyPatch
) -> Iterator[list[Trained]]:
    """All experiments; their store is the one that commands, pages and MLflow read."""
    uri, found = recorded
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    st.cache_data.clear()
    yield found
    st.cache_data.clear()


def command(*words: str) -> str:
    """What a command prints."""
    answer = CliRunner().invoke(app, list(words))
    assert answer.exit_code == 0, answer.output
    return answer.stdout


def short(value: float | None) -> str:
    """As every table shows a number."""
    return "-" if value is None else f"{value:.4g}"


def report(problems: list[str]) -> None:
    assert not problems, f"{len(problems)} differences:\n" + "\n".join(problems[:20])


def test_enough_of_every_kind_is_trained(trained: list[Trained]) -> None:
    assert len(trained) >= 50
    drawn = [one.experiment.training for one in trained]
    assert {t.optimizer for t in drawn} == set(RATES)
    assert {t.monitor for t in drawn} == {monitor for monitor, _ in MONITORS}
    assert {one.result.best_epoch for one in trained} == {1, 2, 3}
    assert any(one.result.best_epoch < one.result.epochs for one in trained)
    accuracies = {one.metrics["test/accuracy"] for one in trained if one.has_classes}
    assert len(accuracies) > 30 and max(accuracies) > 0.8


def test_the_last_lines_of_the_terminal(trained: list[Trained]) -> None:
    problems = []
    for one in trained:
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            _show_training(one.experiment.name, one.monitor, one.result)
        text = printed.getvalue()
        head = re.search(r"run (\w+), best epoch (\d+) of (\d+)", text)
        assert head, text
        epochs = (one.id, str(one.result.best_epoch), str(one.result.epochs))
        problems += one.compare("epochs", {"result": epochs, "terminal": head.groups()})
        shown = dict(re.findall(r"^ +(\S+/\S+) +(\S+) *$", text, re.MULTILINE))
        names = [one.monitor, "validation/loss", "test/loss"]
        for name in [*names, "test/accuracy"] if one.has_classes else names:
            values = {"result": short(one.metrics[name]), "terminal": shown.get(name)}
            problems += one.compare(name, values)
    report(problems)


def test_runs_and_compare_and_mlflow(trained: list[Trained]) -> None:
    problems = []
    listed = {run["run_id"]: run for run in json.loads(command("runs", "--json", "-n", "100"))}
    compared = json.loads(command("compare", *(one.id for one in trained), "--json"))
    table = {}
    for line in command("runs", "-n", "100").splitlines()[1:]:
        cells = re.split(r"\s{2,}", line.strip())
        table[cells[0]] = cells
    client = MlflowClient()
    assert len(listed) == len(table) == len(compared["runs"]) == len(trained)
    for number, one in enumerate(trained):
        data = client.get_run(one.id).data
        test = {name for name in one.metrics if name.startswith(("test/", "baseline/"))}
        assert "test/loss" in test
        for name in sorted(test):
            places = {
                "result": one.metrics[name],
                "runs --json": listed[one.id]["metrics"].get(name),
                "compare --json": compared["metrics"][name][number],
                "compare --json, run": compared["runs"][number]["metrics"].get(name),
                "MLflow": data.metrics.get(name),
            }
            problems += one.compare(name, places)
        best = f"best/{one.monitor}"
        history = client.get_metric_history(one.id, one.monitor)
        at_best = [point.value for point in history if point.step == one.result.best_epoch]
        places = {
            "result": one.metrics[one.monitor],
            "runs --json": listed[one.id]["metrics"].get(best),
            "compare --json": compared["metrics"][best][number],
            "MLflow": data.metrics.get(best),
            "MLflow's history at the best epoch": at_best[0] if len(at_best) == 1 else at_best,
        }
        problems += one.compare(best, places)
        steps = [point.step for point in client.get_metric_history(one.id, best)]
        places = {"result": one.result.best_epoch, "last step of best/... in MLflow": max(steps)}
        problems += one.compare("best epoch", places)
        places = {"result": one.result.epochs, "epochs in MLflow": len(history)}
        problems += one.compare("epochs", places)

        cells = table[one.id[:8]]
        places = {"result": short(one.metrics[one.monitor]), "table of runs": cells[5]}
        problems += one.compare("best value", places)
        last = {"MLflow": short(data.metrics[one.monitor]), "table of runs": cells[6]}
        problems += one.compare("last value", last)
        problems += one.compare("metric", {"experiment": one.monitor, "table of runs": cells[4]})
        if one.has_classes:
            expected = f"{short(one.metrics['test/accuracy'])} accuracy"
            problems += one.compare("test", {"result": expected, "table of runs": cells[7]})

        for path, value in one.params.items():
            recorded = data.params.get(path)
            places = {
                "MLflow": recorded,
                "runs --json": listed[one.id]["params"].get(path),
                "compare --json, run": compared["runs"][number]["params"].get(path),
                "page": store.run(one.id).params.get(path),  # type: ignore[union-attr]
            }
            if path in compared["settings"]:
                places["compare --json"] = compared["settings"][path][number]
            problems += one.compare(path, places)
            if not isinstance(value, list | dict):
                problems += one.compare(path, {"experiment": str(value), "MLflow": recorded})
    report(problems)


def test_what_the_pages_read(trained: list[Trained]) -> None:
    problems = []
    rows = {run.id: run for run in store.page(limit=100).rows}
    columns = ["test/accuracy", "test/loss", "training.optimizer"]
    frame = runs_table.make_frame(list(rows.values()), columns).set_index("run id")
    for one in trained:
        run, history = store.run(one.id), store.history(one.id)
        assert run is not None
        best = {
            "result": (one.monitor, one.metrics[one.monitor]),
            "page of the run": run.best(),
            "page of runs": rows[one.id].best(),
        }
        problems += one.compare("best value", best)
        places = {
            "result": f"{one.monitor.rsplit('/', 1)[-1]} {one.metrics[one.monitor]:.4g}",
            "result in the table": frame.loc[one.id, "result"],
        }
        problems += one.compare("best value", places)
        epoch = {"result": float(one.result.best_epoch), "page": run.best_epoch(history)}
        problems += one.compare("best epoch", epoch)
        epochs = {"result": one.result.epochs, "page": store.num_epochs(one.id)}
        problems += one.compare("epochs", epochs)
        for name, value in one.metrics.items():
            points = dict(history.get(name, []))
            at = 0.0 if name.startswith(("test/", "baseline/")) else float(one.result.best_epoch)
            problems += one.compare(name, {"result": value, "curve on the page": points.get(at)})
        final = artifacts.evaluation(one.id).values
        for name in (name for name in one.metrics if name.startswith("test/")):
            places = {
                "result": one.metrics[name],
                "page": run.value(name),
                "evaluation": final.get(name),
            }
            if name in columns:
                places["table of runs"] = frame.loc[one.id, name]
            problems += one.compare(name, places)
        count = one.prepared.splits["test"].num_rows
        problems += one.compare("rows", {"data": count, "evaluation": final["rows"]})
        if not one.has_classes:
            continue
        matrix, table = np.array(final["confusion"]), artifacts.predictions(one.id)
        accuracy = {
            "result": one.metrics["test/accuracy"],
            "confusion matrix": int(np.trace(matrix)) / int(matrix.sum()),
            "predictions": int((table["label"] == table["prediction"]).sum()) / len(table),
        }
        problems += one.compare("test/accuracy", accuracy)
    report(problems)


def read_test(one: Trained) -> dict[str, np.ndarray]:
    return {k: np.array(v) for k, v in one.prepared.splits["test"].read().items()}


def scores_of(net: nets.Net, rows: Mapping[str, np.ndarray]) -> torch.Tensor:
    length = torch.from_numpy(rows["length"]) if "length" in rows else None
    with torch.inference_mode():
        return net(torch.from_numpy(rows["features"]), length)


def losses_of(one: Trained, scores: torch.Tensor, label: torch.Tensor) -> float:
    """The mean loss by its definition: of each row, weighted by its class."""
    training = one.experiment.training
    logs = torch.log_softmax(scores.double(), 1)
    own = -logs.gather(1, label[:, None])[:, 0]
    if training.loss == "focal":
        own = own * (1 - torch.exp(-own)) ** training.focal_gamma
    smooth = training.label_smoothing
    own = (1 - smooth) * own - smooth * logs.mean(1)
    counts = torch.tensor(one.prepared.class_counts, dtype=torch.float64)
    power = {"none": 0.0, "square_root": 0.5, "balanced": 1.0}[training.class_weights]
    weight = ((counts.sum() / (len(counts) * counts)) ** power)[label]
    return float((own * weight).sum() / weight.sum())


def test_the_exported_model(trained: list[Trained]) -> None:
    problems = []
    for one in trained:
        net, rows = nets.load(one.folder), read_test(one)
        weights = net.state_dict()
        for place, other in (
            ("model on the page", artifacts.net(one.id)),
            ("weights of the best epoch", artifacts.net(one.id, one.result.best_epoch)),
        ):
            state = other.state_dict()
            equal = weights.keys() == state.keys() and all(
                torch.equal(value, state[name]) for name, value in weights.items()
            )
            problems += one.compare("weights", {"exported": True, f"{place} equal": equal})
        scores = scores_of(net, rows)
        if not one.has_classes:
            with torch.inference_mode():
                target = net.prepare(torch.from_numpy(rows["features"]))
            mse = float(((scores - target) ** 2).mean())
            places = {"result": one.metrics["test/loss"], "exported": mse}
            problems += one.compare("test/loss", places, computed=True)
            continue
        label, answer = torch.from_numpy(rows["label"]), scores.argmax(1)
        table = artifacts.predictions(one.id)
        right = {
            "predictions": int((table["label"] == table["prediction"]).sum()),
            "exported": int((answer == label).sum()),
        }
        problems += one.compare("right rows", right)
        places = {
            "result": one.metrics["test/accuracy"],
            "exported": right["exported"] / len(label),
        }
        problems += one.compare("test/accuracy", places)
        places = {"result": one.metrics["test/loss"], "exported": losses_of(one, scores, label)}
        problems += one.compare("test/loss", places, computed=True)
        macro = float(f1_score(label, answer, average="macro", zero_division=0))
        places = {"result": one.metrics["test/macro_f1"], "exported": macro}
        problems += one.compare("test/macro_f1", places, computed=True)
    report(problems)


def compare_scores(
    one: Trained, place: str, expected: np.ndarray, found: np.ndarray, label: np.ndarray
) -> list[str]:
    """Sentences where scores differ by more than the tolerance, or rows that are right do."""
    problems = []
    if not np.allclose(found, expected, rtol=TOLERANCE, atol=TOLERANCE):
        far = float(np.abs(found - expected).max())
        problems += [one.differ("scores", "exported", 0.0, f"{place}, apart by", far)]
    if one.has_classes:
        rights = [int((s.argmax(1) == label).sum()) for s in (expected, found)]
        problems += one.compare("right rows", {"exported": rights[0], place: rights[1]})
    return problems


def test_onnx(trained: list[Trained]) -> None:
    problems = []
    for one in trained:
        rows = read_test(one)
        session = onnxruntime.InferenceSession(one.folder / "model.onnx")
        names = [each.name for each in session.get_inputs()]
        assert ("length" in names) == ("length" in rows)
        (found,) = session.run(None, {name: rows[name] for name in names})
        expected = scores_of(nets.load(one.folder), rows).numpy()
        problems += compare_scores(one, "ONNX", expected, found, rows["label"])
    report(problems)


def test_mlflows_model(trained: list[Trained]) -> None:
    problems = []
    for one in trained:
        rows = read_test(one)
        model = mlflow.pyfunc.load_model(f"runs:/{one.id}/model")
        columns: dict[str, Any] = {"features": [row.tobytes() for row in rows["features"]]}
        if "length" in rows:
            columns["length"] = rows["length"]
        answer = model.predict(pd.DataFrame(columns))
        scores = scores_of(nets.load(one.folder), rows)
        if one.has_classes:
            expected = torch.softmax(scores, 1).numpy()
            found = np.stack(answer["probabilities"])
            right = int((answer["label"] == rows["label"].astype(str)).sum())
            places = {
                "result": one.metrics["test/accuracy"],
                "MLflow's model": right / len(answer),
            }
            problems += one.compare("test/accuracy", places)
        else:
            expected, found = scores.flatten(1).numpy(), np.stack(answer["prediction"])
        problems += compare_scores(one, "MLflow's model", expected, found, rows["label"])
    report(problems)


SCORING = """
import json, os, sys
from workbench.cluster.java import find_java
find_java().use()
os.environ["PYSPARK_PYTHON"] = sys.executable
from pyspark.sql import SparkSession
from workbench.scoring import score
spark = (
    SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
    .config("spark.driver.host", "127.0.0.1").config("spark.sql.shuffle.partitions", 2).getOrCreate()
)
answers = []
for model, rows, length in json.load(open(sys.argv[1])):
    scored = score(spark.read.parquet(rows), model, features="features", length=length).orderBy("row")
    found = scored.select("label", "prediction", "rawPrediction", "reason").collect()
    answers.append({
        "right": sum(row.label == row.prediction for row in found),
        "scores": [row.rawPrediction.toArray().tolist() for row in found],
        "reasons": [row.reason for row in found if row.reason],
    })
json.dump(answers, open(sys.argv[2], "w"))
spark.stop()
"""


@pytest.mark.cluster
def test_rows_scored_in_spark(trained: list[Trained], tmp_path: Path) -> None:
    chosen = [
        next(one for one in trained if one.kind == kind)
        for kind in ("cnn", "resnet", "lstm", "gru lengths")
    ]
    tasks = []
    for number, one in enumerate(chosen):
        rows = read_test(one)
        columns: dict[str, Any] = {
            "row": np.arange(len(rows["label"])),
            "features": [row.tobytes() for row in rows["features"]],
            "label": rows["label"].astype(float),
        }
        if "length" in rows:
            columns["length"] = rows["length"]
        path = tmp_path / f"{number}.parquet"
        pd.DataFrame(columns).to_parquet(path)
        tasks.append([str(one.folder), str(path), "length" if "length" in rows else None])
    (tmp_path / "tasks.json").write_text(json.dumps(tasks))
    files = [str(tmp_path / name) for name in ("tasks.json", "answers.json")]
    done = subprocess.run(
        [sys.executable, "-c", SCORING, *files],
        capture_output=True,
        text=True,
        timeout=280,
        env={**os.environ, "WORKBENCH_HOME": str(tmp_path / "home")},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answers = json.loads((tmp_path / "answers.json").read_text())
    problems = []
    for one, answer in zip(chosen, answers, strict=True):
        assert not answer["reasons"], one.differ("reasons", "none", 0, "Spark", answer["reasons"])
        rows = read_test(one)
        accuracy = answer["right"] / len(rows["label"])
        places = {"result": one.metrics["test/accuracy"], "Spark": accuracy}
        problems += one.compare("test/accuracy", places)
        expected = scores_of(nets.load(one.folder), rows).numpy()
        found = np.array(answer["scores"])
        problems += compare_scores(one, "Spark", expected, found, rows["label"])
    report(problems)
