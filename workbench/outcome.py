"""What a training leaves behind for people: the model, its test results and samples to look at."""

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
import torch
from safetensors.torch import load, save

import nets
from nets.fit import Evaluation
from nets.metrics import confusion, per_class
from workbench.arrays import Arrays
from workbench.bridge import Prepared
from workbench.experiment import Experiment
from workbench.learner import Learner

SAMPLES = 512
"""Test rows kept in the run, so that looking inside a net needs neither Spark nor Ray."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Metrics and files of a finished training."""

    metrics: dict[str, float]
    """test/... of the best weights."""
    model: dict[str, bytes]
    """File name to content: what `nets.save` writes."""
    files: dict[str, bytes] = field(default_factory=dict)
    """Relative path to content: evaluation and samples."""


def conclude(experiment: Experiment, prepared: Prepared, weights: bytes) -> Outcome:
    """Evaluate the weights on the test split and pack what is kept of them.

    Args:
        weights: the best epoch's state, as safetensors.
    """
    split = "test" if "test" in prepared.splits else "validation"
    learner = Learner(experiment, prepared)
    learner.net.load_state_dict(load(weights))
    evaluation = learner.evaluate(split)
    return Outcome(
        metrics=evaluation.metrics(split),
        model=_model(learner.net, prepared, experiment),
        files=_evaluation(evaluation, split, prepared) | _samples(prepared, split),
    )


def _model(net: nets.Net, prepared: Prepared, experiment: Experiment) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        labels = None if prepared.labels is None else list(prepared.labels)
        extra = {"experiment": nets.config.to_dict(experiment)}
        nets.save(net, Path(folder), labels=labels, extra=extra)
        return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def _evaluation(evaluation: Evaluation, split: str, prepared: Prepared) -> dict[str, bytes]:
    summary: dict[str, Any] = {"split": split, "rows": evaluation.count}
    summary |= evaluation.metrics(split)
    files = {}
    if prepared.labels is not None:
        num = prepared.num_outputs
        scores, labels = evaluation.scores, evaluation.labels
        by_class = per_class(scores, labels, num)._asdict()
        summary["labels"] = list(prepared.labels)
        summary["confusion"] = confusion(scores, labels, num).tolist()
        summary["per_class"] = {name: values.tolist() for name, values in by_class.items()}
        files["evaluation/predictions.parquet"] = _predictions(evaluation)
    files[f"evaluation/{split}.json"] = json.dumps(summary, indent=1).encode()
    return files


def _predictions(evaluation: Evaluation) -> bytes:
    """One row per sample: row, label, prediction, confidence, loss (negative log-likelihood)."""
    log_probabilities = torch.log_softmax(evaluation.scores, dim=1)
    labels = evaluation.labels
    best = log_probabilities.max(dim=1)
    table = pa.table(
        {
            "row": np.arange(len(labels)),
            "label": labels.numpy(),
            "prediction": best.indices.numpy(),
            "confidence": best.values.exp().numpy(),
            "loss": -log_probabilities.gather(1, labels[:, None])[:, 0].numpy(),
        }
    )
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


def _samples(prepared: Prepared, split: str) -> dict[str, bytes]:
    """The first rows of the split, in the order of the predictions file."""
    if prepared.splits[split].arrays is None:
        return {}
    arrays: Arrays = prepared.splits[split].read()
    kept = {
        name: torch.from_numpy(np.ascontiguousarray(values[:SAMPLES]).copy())
        for name, values in arrays.items()
        if name != "key"
    }
    kept["row"] = torch.arange(len(kept["label"]))
    return {f"samples/{split}.safetensors": save(kept)}
