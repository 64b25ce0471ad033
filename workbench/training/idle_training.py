"""Settings of `training` that change nothing beside the others."""

from __future__ import annotations

from collections.abc import Iterator

from nets import Custom
from nets.idle import IdleSetting
from workbench.experiments.experiment import Experiment


def idle_in_training(experiment: Experiment, kind: str | None) -> Iterator[IdleSetting]:
    """Settings that change nothing.

    Args:
        kind: of the rows (`TensorSpec.kind`); None: not known yet.
    """
    training = experiment.training
    optimizer = training.optimizer
    if training.loss != "focal":
        rule = f"it belongs to loss focal, got loss {training.loss_name!r}"
        yield IdleSetting("training.focal_gamma", rule, "Set training.loss to focal")
    if optimizer != "sgd":
        rule = f"it belongs to optimizer sgd, got optimizer {training.optimizer_name!r}"
        yield IdleSetting("training.nesterov", rule, "Set training.optimizer to sgd")
    elif not training.momentum:
        rule = "sgd looks ahead along its momentum, got momentum 0"
        yield IdleSetting("training.nesterov", rule, "Set training.momentum above 0")
    if optimizer == "adagrad":
        rule = "adagrad has no momentum"
        yield IdleSetting("training.momentum", rule, "Choose another training.optimizer")
    if isinstance(optimizer, Custom):
        rule = f"{training.optimizer_name} has arguments of its own, below training.optimizer"
        yield IdleSetting("training.momentum", rule, "Choose optimizer sgd, adam, adamw or rmsprop")
    if not isinstance(training.schedule, Custom):
        rule = f"schedule {training.schedule!r} changes the rate after each step"
        way_out = "Choose a schedule of torch.optim.lr_scheduler or of your own"
        yield IdleSetting("training.schedule_every", rule, way_out)
    if training.warmup == 0 and training.schedule != "one_cycle":
        rule = (
            f"schedule {training.schedule_name!r} has no warmup unless a share above 0 asks for one"
        )
        yield IdleSetting("training.warmup", rule, "Set training.warmup above 0")
    augment = training.augment
    if not (augment.crop or augment.rotate or augment.zoom):
        rule = "it says what comes in from outside the picture, and crop, rotate and zoom are 0"
        yield IdleSetting("training.augment.padding", rule, "Set training.augment.crop above 0")
    if kind not in (None, "image"):
        rule = f"it is the memory layout of pictures, got {kind} rows"
        yield IdleSetting("training.channels_last", rule, "Use a source of pictures")
