"""A store of real small runs in the layout that the workbench records."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import torch
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from safetensors.torch import save_file
from sklearn.datasets import load_digits

import nets
from nets import CNNConfig, RNNConfig, TensorSpec, TrainingConfig, inside
from nets.config import flatten, override, to_dict
from nets.fit import Batch, Fit, batches
from nets.metrics import confusion, per_class
from nets.prepare import PreparationConfig, make
from nets.statistics import Sums
from workbench.experiments.experiment import Experiment

LABELS = [str(i) for i in range(10)]


class Store:
    """Writes runs below one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.uri = f"sqlite:///{folder}/mlflow.db"
        self.client = MlflowClient(self.uri)
        (folder / "artifacts").mkdir(parents=True, exist_ok=True)

    def experiment(self, name: str) -> str:
        known = self.client.get_experiment_by_name(name)
        if known is not None:
            return known.experiment_id
        where = (self.folder / "artifacts").as_uri()
        return self.client.create_experiment(name, artifact_location=where)

    def start(self, experiment: Experiment, name: str, kind: str, **tags: str) -> str:
        run = self.client.create_run(self.experiment(experiment.name), run_name=name)
        told = {"workbench.kind": kind, "workbench.seed": "0", "workbench.commit": "abc123"} | tags
        skipped = ("sweep.", "description")
        self.client.log_batch(
            run.info.run_id,
            params=[
                Param(k, str(v))
                for k, v in flatten(experiment).items()
                if not k.startswith(skipped)
            ],
            tags=[RunTag(k, v) for k, v in told.items()],
        )
        return run.info.run_id

    def metrics(self, run_id: str, values: dict[str, float], step: int) -> None:
        now = int(time.time() * 1000)
        self.client.log_batch(run_id, [Metric(k, v, now, step) for k, v in values.items()])

    def file(self, run_id: str, path: str, write: Any) -> None:
        """`write(file)` makes the artifact's content."""
        local = self.folder / "draft" / Path(path).name
        local.parent.mkdir(exist_ok=True)
        write(local)
        self.client.log_artifact(
            run_id, str(local), str(Path(path).parent) if "/" in path else None
        )
        local.unlink()

    def json(self, run_id: str, path: str, value: Any) -> None:
        self.file(run_id, path, lambda f: f.write_text(json.dumps(value)))


def digits(kind: str) -> tuple[TensorSpec, dict[str, Batch]]:
    images, labels = load_digits(return_X_y=True)
    label = torch.as_tensor(labels)
    if kind == "image":
        features = torch.as_tensor(images.reshape(-1, 1, 8, 8).astype(np.uint8))
        spec = TensorSpec(kind="image", shape=(1, 8, 8), dtype="uint8")
    else:
        features = torch.as_tensor(images.reshape(-1, 8, 8).astype(np.float32))
        spec = TensorSpec(kind="series", shape=(8, 8), dtype="float32")
    cut = {"train": slice(0, 1000), "validation": slice(1000, 1300), "test": slice(1300, 1797)}
    return spec, {name: Batch(features[part], label[part]) for name, part in cut.items()}


def base(kind: str = "cnn", **changes: Any) -> Experiment:
    net = CNNConfig() if kind == "cnn" else RNNConfig(cell="lstm", hidden=12)
    made = Experiment(
        name=f"digits_{kind}",
        net=net,
        preparation=PreparationConfig(method="standardize"),
        training=TrainingConfig(epochs=4, batch_size=50, learning_rate=0.005),
    )
    return override(made, changes) if changes else made


def train(
    store: Store,
    experiment: Experiment,
    name: str,
    kind: str = "train",
    *,
    whole: bool = True,
    **tags: str,
) -> str:
    """Train for real and record the run; `whole`: with model, checkpoints, evaluation, samples."""
    spec, data = digits("image" if experiment.net.kind == "cnn" else "series")
    rows = data["train"].features.reshape(1000, -1).double().numpy()
    sums = Sums(rows.shape[1])
    sums.add(rows)
    prepare = make(experiment.preparation, spec, sums.statistics())
    net = nets.build(experiment.net, spec, 10, prepare=prepare, seed=experiment.training.seed)
    run_id = store.start(experiment, name, kind, **tags)
    config = experiment.training
    steps = -(-1000 // config.batch_size)
    fit = Fit(net, config, steps_per_epoch=steps)
    _checkpoint(store, run_id, net, 0, whole)
    best = 0.0
    for epoch in range(1, config.epochs + 1):
        shuffled = batches(data["train"], config.batch_size, seed=config.seed, epoch=epoch)
        values = fit.train_epoch(shuffled)
        with inside.watch_health(net) as health:
            check = fit.evaluate(batches(data["validation"], 300, seed=0, epoch=0, shuffle=False))
        values |= check.metrics("validation") | health
        best = max(best, values["validation/accuracy"])
        store.metrics(run_id, values | {"epoch": float(epoch)}, epoch)
        _checkpoint(store, run_id, net, epoch, whole)
    store.metrics(run_id, {"best/validation/accuracy": best}, config.epochs)
    if whole:
        _finish(store, run_id, experiment, net, fit, spec, data["test"])
    store.client.set_terminated(run_id, "FINISHED")
    return run_id


def _checkpoint(store: Store, run_id: str, net: nets.Net, epoch: int, whole: bool) -> None:
    if whole:
        state = {k: v.detach().contiguous().clone() for k, v in net.state_dict().items()}
        store.file(
            run_id, f"checkpoints/epoch_{epoch:04d}.safetensors", lambda f: save_file(state, f)
        )


def _finish(
    store: Store,
    run_id: str,
    experiment: Experiment,
    net: nets.Net,
    fit: Fit,
    spec: TensorSpec,
    test: Batch,
) -> None:
    evaluation = fit.evaluate(batches(test, 500, seed=0, epoch=0, shuffle=False))
    scores, labels = evaluation.scores, evaluation.labels
    store.metrics(run_id, evaluation.metrics("test"), experiment.training.epochs)
    store.json(run_id, "experiment.json", to_dict(experiment))
    rows = {"train": 1000, "validation": 300, "test": len(test.features)}
    store.json(run_id, "data.json", {"spec": to_dict(spec), "labels": LABELS, "rows": rows})
    table = {k: v.tolist() for k, v in per_class(scores, labels, 10)._asdict().items()}
    told = {
        "confusion": confusion(scores, labels, 10).tolist(),
        "per_class": table,
        "labels": LABELS,
    }
    store.json(run_id, "evaluation/test.json", told | evaluation.metrics("test"))
    best = scores.softmax(1).max(1)
    frame = pd.DataFrame(
        {
            "row": np.arange(len(labels)), "label": labels, "prediction": best.indices,
            "confidence": best.values, "loss": evaluation.losses,
        }
    )  # fmt: skip
    store.file(run_id, "evaluation/predictions.parquet", frame.to_parquet)
    kept = {
        "features": test.features[:256].contiguous(), "label": test.label[:256].contiguous(),
        "row": torch.arange(256),
    }  # fmt: skip
    store.file(run_id, "samples/test.safetensors", lambda f: save_file(kept, f))
    folder = store.folder / "model"
    nets.save(net, folder, labels=LABELS, extra={})
    store.client.log_artifacts(run_id, str(folder), "model/data")


def sweep(store: Store, trials: int = 9) -> str:
    """A sweep of small trials; the last one stopped early, and one failed."""
    asked = override(
        base(),
        {
            "sweep.space": {
                "training.learning_rate": {
                    "kind": "uniform",
                    "low": 1e-4,
                    "high": 0.1,
                    "log": True,
                },
                "training.batch_size": {"kind": "choice", "values": [25, 50, 100]},
                "net.activation": {"kind": "choice", "values": ["relu", "tanh"]},
            },
            "sweep.num_trials": trials,
            "training.epochs": 2,
        },
    )
    run_id = store.start(asked, "sweep", "sweep")
    store.json(run_id, "experiment.json", to_dict(asked))
    rates = np.geomspace(2e-4, 0.05, trials)
    for i, rate in enumerate(rates):
        chosen = override(
            asked,
            {
                "training.learning_rate": float(f"{rate:.4g}"),
                "training.batch_size": [25, 50, 100][i % 3],
                "net.activation": ["relu", "tanh"][i % 2],
            },
        )
        tags = {
            "workbench.sweep": run_id,
            "mlflow.parentRunId": run_id,
            "workbench.sweeps.trial": str(i + 1),
        }
        if i == 0:
            tags["workbench.stopped"] = "asha at epoch 1"
            chosen = replace(chosen, training=replace(chosen.training, epochs=1))
        train(store, chosen, f"trial-{i + 1:03d}", "trial", whole=i == trials - 1, **tags)
    failed = store.start(
        asked, f"trial-{trials + 1:03d}", "trial",
        **{"workbench.sweep": run_id,
            "mlflow.parentRunId": run_id, "workbench.sweeps.trial": str(trials + 1), "workbench.error": "The loss became NaN."},
    )  # fmt: skip
    store.client.set_terminated(failed, "FAILED")
    store.client.set_terminated(run_id, "FINISHED")
    return run_id


def fill(folder: Path) -> dict[str, str]:
    """Two CNNs, an LSTM, a sweep, a run without artifacts, one still running; name to run id."""
    store = Store(folder)
    mlflow.set_tracking_uri(store.uri)
    made = {
        "cnn": train(store, base(), "relu"),
        "cnn_tanh": train(store, base(**{"net.activation": "tanh", "training.seed": 1}), "tanh"),
        "rnn": train(store, base("rnn"), "lstm"),
        "sweep": sweep(store),
        "bare": store.start(base(), "no artifacts", "train"),
    }
    store.client.set_terminated(made["bare"], "KILLED")
    made["running"] = store.start(base(), "still running", "train")
    store.metrics(made["running"], {"train/loss": 2.0, "epoch": 1.0, "validation/accuracy": 0.4}, 1)
    return made
