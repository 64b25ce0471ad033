"""Metrics of a person's own: a function of all outputs and targets of an evaluation."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from nets.custom import Custom
from nets.custom_errors import cannot_be_made, fails, signature_of
from nets.custom_field import name_of
from nets.custom_loss import describe_rows, make_rows
from nets.custom_signature import given_to
from nets.errors import ConfigError
from nets.evaluation import Evaluation
from nets.task import Task


class CustomMetrics:
    """`(Custom(top_k, k=3),)` as functions of an evaluation.

    Raises:
        UntrustedCodeError: the code of one is not loaded here.
        ConfigError: a signature does not fit, or a class cannot be made.
    """

    def __init__(self, metrics: Sequence[Custom]) -> None:
        self.metrics = tuple(metrics)
        for each in metrics:
            if not (_is_torchmetrics(each) or len(given_to(each.part)) == 2):
                raise ConfigError(
                    f"a metric takes `outputs` and `targets` first, then its settings by name: "
                    f"{name_of(each)}(outputs, targets, *, k=3). {name_of(each)} takes "
                    f"{signature_of(each.part)}. A class has update(outputs, targets) and compute(), as "
                    "those of torchmetrics."
                )
            if inspect.isclass(each.part):
                _make(each)

    def measure(self, evaluation: Evaluation) -> dict[str, float]:
        """Of all rows, by name; NaN without rows.

        Raises:
            ConfigError: not all rows are kept, or what a metric gives is no number.
        """
        if evaluation.sums is not None and self.metrics:
            raise ConfigError(describe_too_many(evaluation.count))
        if not evaluation.count:
            return {name_of(each): float("nan") for each in self.metrics}
        return {
            name_of(each): _measure(each, evaluation.scores, evaluation.labels)
            for each in self.metrics
        }


def describe_too_many(rows: int) -> str:
    """The message for a split whose outputs are not all kept."""
    return (
        f"training.metrics are functions of all rows at once, and the outputs of {rows:,} rows take "
        "more memory than an evaluation keeps. Leave training.metrics empty, or hold fewer rows out "
        "(data.split)."
    )


def try_metric(config: Custom, task: Task, num_outputs: int, *, guessed: bool = False) -> None:
    """A few made-up rows through the metric.

    Args:
        guessed: as in `nets.custom_loss.try_loss`.

    Raises:
        UntrustedCodeError: its code is not loaded here.
        ConfigError: its signature does not fit, it fails, or what it gives is no number.
    """
    CustomMetrics((config,))
    if task.reconstructs:
        raise ConfigError(
            f"metric {name_of(config)} needs the outputs of all rows, and an evaluation of an "
            "autoencoder keeps none of them: each is as large as its sample. Leave training.metrics "
            "empty."
        )
    outputs, targets = make_rows(task, (num_outputs,))
    try:
        with torch.random.fork_rng(devices=[]):
            _measure(config, outputs, targets)
    except ConfigError:
        raise
    except Exception as error:
        if guessed:
            return
        raise fails("metric", config, f"on {describe_rows(outputs, targets)}", error) from error


def _is_torchmetrics(config: Custom) -> bool:
    part = config.part
    return inspect.isclass(part) and hasattr(part, "update") and hasattr(part, "compute")


def _make(config: Custom) -> Any:
    try:
        return config.part(**config.arguments)
    except Exception as error:
        raise cannot_be_made("metric", config, error) from error


@torch.no_grad()
def _measure(config: Custom, outputs: Tensor, targets: Tensor) -> float:
    if targets.is_floating_point():
        targets = targets.to(outputs.dtype).reshape(outputs.shape)
    if inspect.isclass(config.part):
        metric = _make(config)
        metric.update(outputs, targets)
        value: Any = metric.compute()
    else:
        value = config.part(outputs, targets, **config.arguments)
    if isinstance(value, Tensor) and value.numel() == 1 and not value.is_complex():
        return float(value)
    if isinstance(value, bool | int | float) or hasattr(value, "__float__"):
        try:
            return float(value)
        except (TypeError, ValueError, RuntimeError):
            pass
    shape = f" of shape {tuple(value.shape)}" if isinstance(value, Tensor) else ""
    raise ConfigError(
        f"metric {name_of(config)} must return one number for all rows, a float or a tensor (), got "
        f"{type(value).__name__}{shape}."
    )
