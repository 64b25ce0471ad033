"""What is refused before a training or a sweep starts Ray, and what is refused or noted after."""

from __future__ import annotations

from nets import ConfigError, Task
from nets.augment import Augment
from nets.config import unknown
from workbench.bridge import Prepared
from workbench.data import sources
from workbench.errors import DataError
from workbench.experiments.experiment import Experiment
from workbench.training.epochs import plan_of
from workbench.training.idle import check_idle, check_idle_for_rows, note_idle

_ALWAYS = ("train/loss", "validation/loss", "learning_rate", "gradient_norm", "samples_per_s")


def check_before_start(
    experiment: Experiment, *metrics: str, reads_source: bool = True, recorded: bool = False
) -> list[str]:
    """Refuse what is wrong whatever the data holds.

    Args:
        metrics: names to check beside `training.monitor`.
        reads_source: False where the rows come from elsewhere than `experiment.data`.
        recorded: whether a run's record is trained again. Its idle settings are noted.

    Returns:
        The notes.

    Raises:
        ConfigError: as `check_values`, or a changed setting that would change nothing.
    """
    check_values(experiment, *metrics, reads_source=reads_source)
    if recorded:
        return note_idle(experiment)
    check_idle(experiment, reads_source=reads_source)
    return []


def check_values(experiment: Experiment, *metrics: str, reads_source: bool = True) -> None:
    """`check_before_start` of one trial of a sweep, whose other trials may use an idle setting.

    Raises:
        ConfigError: a metric that no training has; an augmentation that does not fit the source's
            rows; no share of the rows for validation.
    """
    _check_metrics(experiment, *metrics)
    if reads_source:
        _check_validation(experiment)
        _check_augment(experiment)


def check_prepared(
    experiment: Experiment, prepared: Prepared, *, recorded: bool = False
) -> list[str]:
    """Refuse settings that do not fit the prepared data.

    Args:
        recorded: whether a run's record is trained again. Its idle settings are noted.

    Returns:
        The notes.

    Raises:
        ConfigError: an augmentation that does not fit the rows, or a changed setting that changes
            nothing for rows of this kind; no validation rows; fewer training rows than workers.
    """
    notes = note_idle(experiment, prepared.spec.kind) if recorded else []
    if not recorded:
        check_idle_for_rows(experiment, prepared.spec.kind)
    Augment(experiment.training.augment, prepared.spec)
    if "validation" not in prepared.splits or not prepared.splits["validation"].num_rows:
        raise ConfigError(_no_validation(experiment))
    if idle := _describe_idle_max_rows(experiment, prepared):
        if not recorded:
            raise ConfigError(idle)
        notes.append(idle)
    return notes


def _describe_idle_max_rows(experiment: Experiment, prepared: Prepared) -> str | None:
    """Why training.max_rows changes nothing on this data; None where it does."""
    training = experiment.training
    plan = plan_of(experiment, prepared, world_size=experiment.cluster.num_workers)
    if training.max_rows is None or plan.num_steps < training.epochs * plan.steps_per_epoch:
        return None
    return (
        f"training.max_rows {training.max_rows:,} would change nothing: {training.epochs} epochs of "
        f"{plan.rows:,} rows end no later. Raise training.epochs, or lower training.max_rows."
    )


def describe_large_batch(batch_size: int, num_rows: int) -> str | None:
    """The note on a batch that holds more rows than there are; None where it does not."""
    if batch_size <= num_rows:
        return None
    return (
        f"training.batch_size {batch_size} is larger than the {num_rows} training rows: an epoch is "
        "one step. Lower training.batch_size for more steps."
    )


def _check_metrics(experiment: Experiment, *metrics: str) -> None:
    training = experiment.training
    task = Task.of(experiment.net.kind, has_classes=training.loss in Task.CLASSES.losses)
    if training.loss not in task.losses:
        return  # refused by `check_task`, which knows the data
    names = [*_ALWAYS, *(f"validation/{name}" for name in task.metrics)]
    if task.has_classes:
        names.append("train/accuracy")
    for name in (training.monitor, *metrics):
        if name in names or (training.health and name.startswith("health/")):
            continue
        if not task.has_classes and name.rpartition("/")[2] in Task.CLASSES.metrics:
            raise ConfigError(describe_class_metric(name))
        raise ConfigError(unknown("metric (training.monitor, sweep.metric)", name, sorted(names)))


def describe_class_metric(name: str) -> str:
    """The message for a metric of classes where measured values are learned."""
    return (
        f"{name!r} is a metric of classes, but this net learns measured values. Use "
        "validation/loss (training.monitor, sweep.metric) with mode min."
    )


def _check_validation(experiment: Experiment) -> None:
    split, source = experiment.data.split, experiment.data.source
    if getattr(source, "split", None) is not None:
        return  # its own column of splits may name validation rows
    if not split.validation and not split.folds:
        raise ConfigError(_no_validation(experiment))


def _no_validation(experiment: Experiment) -> str:
    return (
        "a training needs validation rows: they decide which epoch is the best, got "
        f"data.split.validation {experiment.data.split.validation:g}. Set data.split.validation "
        "(validationFraction of an estimator) to a share above 0, such as 0.1."
    )


def _check_augment(experiment: Experiment) -> None:
    try:
        spec = sources.size(experiment.data.source).spec
    except DataError:
        return  # the reader says so, on the machine that has the files
    if spec is not None:
        Augment(experiment.training.augment, spec)
