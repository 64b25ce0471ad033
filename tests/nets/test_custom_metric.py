"""Metrics of a person's own: measured over all rows, refused where they give no number."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch

from nets import ConfigError, Custom, Evaluation, Task, TrainingConfig
from nets.config import from_dict, to_dict
from nets.custom_metric import CustomMetrics, try_metric
from nets.evaluation import EvaluatedRows, collect
from tests.nets.test_custom import run_file

METRICS = """
import numpy as np
import torch


def top_k(outputs, targets, *, k: int = 2):
    return (outputs.topk(k, 1).indices == targets[:, None]).any(1).float().mean()


def error(outputs, targets):
    return np.abs((outputs - targets).numpy()).mean()


def accuracy(outputs, targets):
    return 1


def bad(outputs, targets, *, how="rows"):
    return {"rows": outputs.mean(1), "none": None, "text": "much"}[how]


def fails(outputs, targets):
    return outputs @ targets.float() @ outputs


class Measure:
    def __init__(self, k: int = 3):
        pass
"""


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("metrics")
    (folder / "own_metrics.py").write_text(METRICS)
    return run_file(folder, "own_metrics")


def evaluation(held_bytes: int = 2**20, rows: int = 40) -> Evaluation:
    generator = torch.Generator().manual_seed(0)
    scores, labels = torch.rand(rows, 4, generator=generator), torch.arange(rows) % 4
    parts = [
        EvaluatedRows(s, y, torch.ones(len(y)), torch.ones(len(y)))
        for s, y in zip(scores.split(16), labels.split(16), strict=True)
        if rows
    ]
    return collect(Task.CLASSES, parts, 4, held_bytes)


def test_metrics_are_of_all_rows_of_a_split(own: Any) -> None:
    metrics = CustomMetrics((Custom(own.top_k, k=1),))
    whole = evaluation()
    assert metrics.measure(whole)["top_k"] == pytest.approx(whole.metrics("x")["x/accuracy"])
    assert CustomMetrics((Custom(own.top_k, k=4),)).measure(whole) == {"top_k": 1.0}
    assert str(metrics.measure(evaluation(rows=0))["top_k"]) == "nan"
    with pytest.raises(
        ConfigError, match="functions of all rows at once, and the outputs of 40 rows"
    ):
        metrics.measure(evaluation(held_bytes=200))
    assert CustomMetrics(()).measure(evaluation(held_bytes=200)) == {}


def test_values_come_in_the_shape_of_the_outputs(own: Any) -> None:
    scores, labels = torch.rand(6, 1), torch.rand(6, dtype=torch.float64)
    rows = EvaluatedRows(scores, labels, torch.ones(6), torch.ones(6))
    measured = CustomMetrics((Custom(own.error),)).measure(collect(Task.VALUES, [rows], 1, 2**20))
    assert measured["error"] == pytest.approx(float((scores[:, 0] - labels).abs().mean()), rel=1e-6)


def test_a_record_is_the_same_metrics(own: Any) -> None:
    config = TrainingConfig(metrics=(Custom(own.top_k, k=3), Custom(own.error)))
    assert from_dict(TrainingConfig, json.loads(json.dumps(to_dict(config)))) == config
    with pytest.raises(ConfigError, match=r"metrics.0: must be Custom\(a function\), got 'top_k'"):
        from_dict(TrainingConfig, {"metrics": ["top_k"]})
    with pytest.raises(ConfigError, match="metric 'accuracy' has the name of one that ships"):
        TrainingConfig(metrics=(Custom(own.accuracy),))
    with pytest.raises(ConfigError, match="metric 'top_k' has the name of another one"):
        TrainingConfig(metrics=(Custom(own.top_k, k=1), Custom(own.top_k, k=2)))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda own: Custom(own.bad), r"metric bad must return one number for all rows, .* got Tensor of shape \(5,\)"),
        (lambda own: Custom(own.bad, how="none"), "must return one number for all rows, .* got NoneType"),
        (lambda own: Custom(own.bad, how="text"), "must return one number for all rows, .* got str"),
        (lambda own: Custom(own.fails), r"metric fails fails on 5 rows of outputs \(5, 3\) and classes \(5,\): RuntimeError.*\(own_metrics.py, line"),
        (lambda own: Custom(own.Measure), "a metric takes `outputs` and `targets` first"),
    ],
)  # fmt: skip
def test_a_metric_that_does_not_fit_is_refused(own: Any, make: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        try_metric(make(own), Task.CLASSES, 3)


def test_an_autoencoder_keeps_no_outputs_to_measure(own: Any) -> None:
    with pytest.raises(ConfigError, match="metric error needs the outputs of all rows"):
        try_metric(Custom(own.error), Task.RECONSTRUCTION, 3)
