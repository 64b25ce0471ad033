"""The net of an experiment for its prepared data, and whether what it learns goes with that data."""

from __future__ import annotations

import torch

import nets
from nets import Task
from nets.custom_loss import try_loss
from nets.custom_metric import try_metric
from nets.errors import ConfigError
from nets.layer_rules import LayerRules
from nets.prepare import PreparationConfig
from nets.start import take_weights
from workbench.bridge import Prepared
from workbench.experiments.experiment import Experiment
from workbench.training.wide_start import start_wide


def new_net(experiment: Experiment, prepared: Prepared) -> nets.Net:
    """The experiment's net for the prepared data, with what was fitted on it as the first layer.

    Raises:
        ConfigError: the net does not fit the data's shape, or the loss does not fit what is learned.
    """
    check_task(experiment, prepared)
    prepare = nets.prepare.make(experiment.preparation, prepared.spec, prepared.statistics)
    channel = None if prepared.forecast is None else prepared.forecast.channels
    targets = None if task_of(experiment, prepared).reconstructs else prepared.targets
    net = nets.build(
        experiment.net,
        prepared.spec,
        prepared.num_outputs,
        prepare=prepare,
        restore=nets.restore.make(experiment.preparation, targets, channel),
        seed=experiment.training.seed,
    )
    net.text = prepared.text
    if (start := experiment.training.start_from) is not None:
        take_weights(net, prepared.start[start])
    task = task_of(experiment, prepared)
    if isinstance(experiment.training.loss, nets.Custom):
        output = prepare.output.shape if task.reconstructs else (prepared.num_outputs,)
        try_loss(experiment.training.loss, task, output)
    for metric in experiment.training.metrics:
        try_metric(metric, task, prepared.num_outputs)
    if experiment.training.start_from is None and _output_learns(net, experiment.training):
        start_wide(net, prepared, task)
    return net


def _output_learns(net: nets.Net, training: nets.TrainingConfig) -> bool:
    """Whether the last layer learns from the first epoch: at 0 and frozen it would let nothing learn."""
    output = getattr(net.body, "output", None)
    if not training.freeze or not isinstance(output, torch.nn.Linear):
        return True
    return LayerRules(net, training).learns(next(output.parameters()), 0)


def task_of(experiment: Experiment, prepared: Prepared) -> Task:
    """What the experiment's net learns on the prepared data."""
    return Task.of(experiment.net, has_classes=prepared.labels is not None)


def check_task(experiment: Experiment, prepared: Prepared, *metrics: str) -> None:
    """Refuse a loss, a metric or a resampling that does not fit the data.

    Args:
        metrics: names to check beside `training.monitor`.

    Raises:
        ConfigError: classes with loss mse, measured values with any other, or metrics of classes
            where there are none.
    """
    training = experiment.training
    task = task_of(experiment, prepared)
    fits = task.takes(training.loss)
    if not fits and not task.has_classes:
        what = "autoencoder's own input is" if task.reconstructs else "data's labels are"
        raise ConfigError(
            f"the {what} measured values, which are learned by loss 'mse', got training.loss "
            f"{training.loss!r}. Set training.loss to mse, training.monitor to {task.monitor} and "
            f"training.mode to {task.mode}."
        )
    if not fits:
        raise ConfigError(
            f"the data's labels are {len(prepared.labels or ())} classes, which are learned by loss "
            "cross_entropy or focal, got 'mse'. Set training.loss to cross_entropy."
        )
    for name in (training.monitor, *metrics):
        if not task.has_classes and name.rpartition("/")[2] in Task.CLASSES.metrics:
            raise ConfigError(describe_class_metric(name))
    if isinstance(training.loss, nets.Custom):
        _check_beside_own_loss(experiment, task, *metrics)


def _check_beside_own_loss(experiment: Experiment, task: Task, *metrics: str) -> None:
    """Refuse what other losses refuse or name before the data is known."""
    training, targets = experiment.training, experiment.preparation.targets
    for name in (training.monitor, *metrics):
        if task.has_classes and name.removeprefix("validation/") in Task.VALUES.metrics:
            raise ConfigError(
                f"{name!r} is a metric of measured values, but this net learns classes. Use "
                f"{task.monitor} (training.monitor, sweep.metric) with mode {task.mode}."
            )
    if not task.has_classes and (training.class_weights, training.resample) != ("none", "none"):
        raise ConfigError(
            f"class_weights and resample need classes, got {training.class_weights!r} and "
            f"{training.resample!r}, and this net learns {task}. Set both to none."
        )
    if task is not Task.VALUES and targets != PreparationConfig().targets:
        raise ConfigError(
            f"preparation.targets {targets!r} would change nothing: it is for measured labels, and "
            f"this net learns {task}. Set preparation.targets to {PreparationConfig().targets}."
        )


def describe_class_metric(name: str) -> str:
    """The message for a metric of classes where measured values are learned."""
    return (
        f"{name!r} is a metric of classes, but this net learns measured values. Use "
        "validation/loss (training.monitor, sweep.metric) with mode min."
    )
