"""Evaluates a trained net: its model files, test results and some samples to look at."""

from __future__ import annotations

import io
import json
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import ray
import torch
from safetensors.torch import load, save

import nets
from nets import Task
from nets.fit import Evaluation
from workbench.bridge import Prepared
from workbench.bridge.arrays import Arrays
from workbench.experiments.experiment import Experiment
from workbench.training.baselines import (
    commonest_class_baseline,
    compute_baselines,
    mean_baseline,
)
from workbench.training.learner import Learner
from workbench.training.linear import linear_baseline
from workbench.training.process import prepare_process, worker_resources

SAMPLES = 512
"""Test rows kept in the run, so that looking inside a net needs neither Spark nor Ray."""
_MOST_SOUND_BYTES = 16 * 2**20
"""Of the rows that are kept of sounds."""


@dataclass(frozen=True, kw_only=True)
class TrainedModel:
    """Metrics and files of a finished training."""

    metrics: dict[str, float]
    """test/... of the best weights (validation/... without test rows); baseline/... of answers without a
    net. Empty where every row was trained on."""
    model: dict[str, bytes]
    """File name to content: what `nets.save` writes."""
    labels: tuple[str, ...] | None = None
    """The classes, in the order of the model's outputs; None where it predicts values."""
    files: dict[str, bytes] = field(default_factory=dict)
    """Relative path to content: evaluation and samples."""


def evaluate_best(experiment: Experiment, prepared: Prepared, weights: bytes) -> TrainedModel:
    """Evaluate the weights and collect what the run keeps.

    On the test split; without one on the validation split; without that on the training split.

    Args:
        weights: the best epoch's state, as safetensors.
    """
    split = next(name for name in ("test", "validation", "train") if prepared.has(name))
    learner = Learner(experiment, prepared)
    learner.net.load_state_dict(load(weights))
    learner.net.lengths = "length" in prepared.splits[split].read(stop=1)
    evaluation = learner.evaluate(split)
    # A net may learn values from data that has classes: an autoencoder does.
    labels = prepared.labels if evaluation.task.has_classes else None
    return TrainedModel(
        # Rows that were trained on have the last epoch's metrics of the same names.
        metrics={}
        if split == "train"
        else evaluation.metrics(split) | _baselines(prepared, split, evaluation),
        model=_save_model(learner.net, labels, experiment),
        labels=labels,
        files=_evaluation(evaluation, split, prepared) | _samples(prepared, split),
    )


def evaluate_on_cluster(experiment: Experiment, prepared: Prepared, weights: bytes) -> TrainedModel:
    """`evaluate_best` on a node that has the resources of a worker, such as a GPU.

    On one machine without a GPU it runs in this process: another one would load libraries for
    seconds, and the evaluation takes less than one.
    """
    if not experiment.cluster.on_cluster and not experiment.cluster.gpus_per_worker:
        return evaluate_best(experiment, prepared, weights)
    resources = worker_resources(experiment)
    task = _evaluate_task.options(
        num_cpus=resources["CPU"],
        num_gpus=resources.get("GPU", 0),
        resources=experiment.cluster.worker_resources or None,
    )
    model: TrainedModel = ray.get(task.remote(experiment, prepared, weights))
    return model


@ray.remote(max_retries=2)
def _evaluate_task(experiment: Experiment, prepared: Prepared, weights: bytes) -> TrainedModel:
    prepare_process(experiment)
    return evaluate_best(experiment, prepared, weights)


def _save_model(
    net: nets.Net, labels: tuple[str, ...] | None, experiment: Experiment
) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        extra = {"experiment": nets.config.to_dict(experiment)}
        nets.save(net, Path(folder), labels=labels, extra=extra)
        files = [path for path in Path(folder).rglob("*") if path.is_file()]
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def _evaluation(evaluation: Evaluation, split: str, prepared: Prepared) -> dict[str, bytes]:
    summary: dict[str, Any] = {"split": split, "rows": evaluation.count, "task": evaluation.task}
    summary |= evaluation.metrics(split)
    if evaluation.sums is not None:  # the files of rows hold the first ones
        summary["rows_listed"] = len(evaluation.losses)
    files = {}
    if evaluation.task.has_classes and prepared.labels is not None:
        num = prepared.num_outputs
        by_class = evaluation.per_class(num)._asdict()
        summary["labels"] = list(prepared.labels)
        cells = evaluation.confusion(num)
        if cells is not None:
            summary["confusion"] = cells.tolist()
        rows, confidence, right = evaluation.calibration().tolist()
        summary["calibration"] = {"rows": rows, "confidence": confidence, "right": right}
        summary["per_class"] = {name: values.tolist() for name, values in by_class.items()}
        files["evaluation/predictions.parquet"] = _parquet(_predictions(evaluation))
    elif evaluation.task is Task.VALUES:
        files["evaluation/values.parquet"] = _parquet(_values(evaluation))
    files[f"evaluation/{split}.json"] = json.dumps(summary, indent=1).encode()
    return files


def _predictions(evaluation: Evaluation) -> dict[str, Any]:
    """One row per sample that is kept: row, label, prediction, confidence, loss (negative
    log-likelihood)."""
    log_probabilities = torch.log_softmax(evaluation.scores, dim=1)
    labels = evaluation.labels
    best = log_probabilities.max(dim=1)
    return {
        "row": np.arange(len(labels)),
        "label": labels.numpy(),
        "prediction": best.indices.numpy(),
        "confidence": best.values.exp().numpy(),
        "loss": -log_probabilities.gather(1, labels[:, None])[:, 0].numpy(),
    }


def _values(evaluation: Evaluation) -> dict[str, Any]:
    """One row per sample: row, label and prediction (lists of values), loss (squared error)."""
    rows = len(evaluation.labels)
    return {
        "row": np.arange(rows),
        "label": evaluation.labels.reshape(rows, -1).float().tolist(),
        "prediction": evaluation.scores.reshape(rows, -1).tolist(),
        "loss": evaluation.losses.numpy(),
    }


def _parquet(columns: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


def _baselines(prepared: Prepared, split: str, evaluation: Evaluation) -> dict[str, float]:
    """Results of answers without a net, and the number of rows they were measured on."""
    baselines: dict[str, float] = {}
    whole = evaluation.sums is None
    labels = (evaluation.labels if whole else prepared.splits[split].labels()).numpy()
    if evaluation.task.has_classes and prepared.class_counts:
        baselines = commonest_class_baseline(prepared.class_counts, labels)
    elif evaluation.task is not Task.VALUES:
        return {}
    elif prepared.forecast is None:
        baselines = mean_baseline(_mean_of_labels(prepared), labels)
    else:
        with prepared.splits[split].open() as rows:
            baselines = compute_baselines(prepared.forecast, rows.read_chunks())
    if baselines:
        baselines |= linear_baseline(prepared, split, evaluation.task)
    return baselines | ({"baseline/rows": float(evaluation.count)} if baselines else {})


def _mean_of_labels(prepared: Prepared) -> np.ndarray:
    """The mean of each output over the training rows."""
    labels = prepared.splits["train"].labels().double().numpy()
    return np.asarray(labels.reshape(len(labels), -1).mean(axis=0))


def _samples(prepared: Prepared, split: str) -> dict[str, bytes]:
    """The first rows of the split, in the order of the predictions file."""
    stop = SAMPLES
    if prepared.spec.kind == "sound":  # seconds of sound are many bytes
        stop = min(stop, max(1, _MOST_SOUND_BYTES // prepared.spec.num_bytes))
    arrays: Arrays = prepared.splits[split].read(stop=stop)
    kept = {
        name: torch.from_numpy(np.ascontiguousarray(values).copy())
        for name, values in arrays.items()
        if name != "key"
    }
    kept["row"] = torch.arange(len(kept["label"]))
    return {f"samples/{split}.safetensors": save(kept)}
