"""What is refused before a training or a sweep starts Ray, and what is refused or noted after."""

from __future__ import annotations

from dataclasses import replace

from nets import ConfigError, Task
from nets.augment import Augment
from nets.config import unknown
from nets.custom_field import name_of
from nets.custom_metric import describe_too_many
from nets.evaluation import HELD_BYTES
from nets.layer_rules import LayerRules
from nets.mixing import check_mixing
from nets.optimizers import make_rates
from nets.start import take_weights
from workbench.bridge import Prepared
from workbench.data import sources
from workbench.errors import DataError
from workbench.experiments.experiment import Experiment
from workbench.training.epochs import plan_of
from workbench.training.idle import check_idle, check_idle_for_rows, note_idle
from workbench.training.nets_for_data import describe_class_metric, new_net
from workbench.training.own_parts import check_own_parts
from workbench.training.partial import describe_partial

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
            rows; patience or a metric of validation rows where there are none.
    """
    check_own_parts(experiment, reads_source=reads_source)
    _check_metrics(experiment, *metrics)
    if reads_source:
        if _holds_nothing_out(experiment):
            _check_without_validation(experiment, *metrics)
        _check_augment(experiment)


def check_prepared(
    experiment: Experiment, prepared: Prepared, *metrics: str, recorded: bool = False
) -> list[str]:
    """Refuse settings that do not fit the prepared data.

    Args:
        metrics: names to check beside `training.monitor`.
        recorded: whether a run's record is trained again. Its idle settings are noted.

    Returns:
        The notes.

    Raises:
        ConfigError: an augmentation that does not fit the rows, or a changed setting that changes
            nothing for rows of this kind; patience or a metric of validation rows where there are
            none; fewer training rows than workers; own metrics of too many rows.
    """
    notes = note_idle(experiment, prepared.spec.kind) if recorded else []
    if not recorded:
        check_idle_for_rows(experiment, prepared.spec.kind)
    Augment(experiment.training.augment, prepared.spec)
    task = Task.by_loss(experiment.net, experiment.training.loss)
    check_mixing(experiment.training.augment, prepared.spec, task)
    _check_rows_of_metrics(experiment, prepared)
    notes += _check_layers(experiment, prepared)
    if partial := describe_partial(experiment.training):
        notes.append(partial)
        _check_limit(experiment, prepared)
    if not prepared.has("validation"):
        _check_without_validation(experiment, *metrics)
        notes.append(_describe_no_validation(experiment, prepared))
    if idle := _describe_idle_max_rows(experiment, prepared):
        if not recorded:
            raise ConfigError(idle)
        notes.append(idle)
    return notes


def _check_layers(experiment: Experiment, prepared: Prepared) -> list[str]:
    """Refuse patterns that fit no layer; the note on the weights that the net starts from."""
    training = experiment.training
    plan = plan_of(experiment, prepared, world_size=experiment.cluster.num_workers)
    make_rates(training, plan.num_steps, plan.steps_per_epoch)
    starts_from = training.start_from or "training.start_from" in experiment.sweep.space
    if not (starts_from or training.freeze or training.layer_rates):
        return []
    net = new_net(replace(experiment, training=replace(training, start_from=None)), prepared)
    LayerRules(net, training)
    # Several where a sweep searches it.
    starts = {name: take_weights(net, weights) for name, weights in prepared.start.items()}
    notes = []
    for name, start in starts.items():
        note, theirs = start.describe(name), prepared.start[name].labels
        if theirs and theirs != prepared.labels and len(theirs) == prepared.num_outputs:
            # Of another number the last layer has another shape, and is new.
            note += f" Its classes were others: {', '.join(theirs[:8])}."
        notes.append(note)
    return notes


def _check_rows_of_metrics(experiment: Experiment, prepared: Prepared) -> None:
    """Refuse own metrics where an evaluation does not keep the outputs of all rows."""
    if not experiment.training.metrics:
        return
    row_bytes = 8 * prepared.num_outputs + 16  # output, label, loss and weight
    for name in ("validation", "test"):
        rows = prepared.splits[name].num_rows if prepared.has(name) else 0
        if rows * row_bytes > HELD_BYTES:
            raise ConfigError(describe_too_many(rows))


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


def _check_limit(experiment: Experiment, prepared: Prepared) -> None:
    """Refuse a limit of batches that every split stays below."""
    training, limit = experiment.training, experiment.training.limit_batches
    most = max(split.num_rows for split in prepared.splits.values())
    if limit is not None and most <= limit * training.batch_size:
        raise ConfigError(
            f"training.limit_batches {limit} would change nothing: no split has more than {most} rows, which "
            f"are {-(-most // training.batch_size)} batches of {training.batch_size}. Lower it."
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
    task = Task.by_loss(experiment.net, training.loss)
    if task is not None and not task.takes(training.loss):
        return  # refused by `check_task`, which knows the data
    tasks = (Task.CLASSES, Task.VALUES) if task is None else (task,)
    names = [*_ALWAYS, *(f"validation/{name}" for each in tasks for name in each.metrics)]
    if Task.CLASSES in tasks:
        names.append("train/accuracy")
    names += [f"validation/{name_of(each)}" for each in training.metrics]
    for name in (training.monitor, *metrics):
        if name in names or (training.health and name.startswith("health/")):
            continue
        if Task.CLASSES not in tasks and name.rpartition("/")[2] in Task.CLASSES.metrics:
            raise ConfigError(describe_class_metric(name))
        raise ConfigError(unknown("metric (training.monitor, sweep.metric)", name, sorted(names)))


def _holds_nothing_out(experiment: Experiment) -> bool:
    """Whether no row can be a validation row: no share of the rows, no folds, and a source without
    splits of its own, in a column or in names of files and folders."""
    split, source = experiment.data.split, experiment.data.source
    own = getattr(source, "split", None) is not None or getattr(source, "named_splits", False)
    own = own or getattr(source, "splits", {}) != {}
    return not own and not split.validation and not split.folds


def _check_without_validation(experiment: Experiment, *metrics: str) -> None:
    """Refuse what cannot be had without validation rows.

    Raises:
        ConfigError: patience, or a sweep's metric, of rows that are not there.
    """
    training = experiment.training
    way_out = "Set data.split.validation (validationFraction of an estimator) to a share above 0, such as 0.1"
    if training.patience and training.monitor.startswith("validation/"):
        raise ConfigError(
            f"training.patience {training.patience} waits for a better {training.monitor}, but no row "
            f"is held out for validation. {way_out}, or training.patience to 0."
        )
    for name in metrics:
        if name.startswith("validation/"):
            raise ConfigError(
                f"sweep.metric {name} ranks the trials, but no row is held out for validation. "
                f"{way_out}."
            )


def _describe_no_validation(experiment: Experiment, prepared: Prepared) -> str:
    """The note on what cannot be had of a training on all rows."""
    by_training = not experiment.training.monitor.startswith("validation/")
    monitor = experiment.training.monitor
    kept = f"the best epoch is chosen by {monitor}" if by_training else "the last epoch is kept"
    text = (
        f"No validation rows (data.split.validation): {kept}, and whether the net learns its rows by "
        "heart cannot be seen."
    )
    if not prepared.has("test"):
        text += (
            " No test rows either (data.split.test): the final evaluation is on training rows, and no "
            "baselines are measured."
        )
    if experiment.training.health:
        text += " The health of activations is not measured."
    return text


def _check_augment(experiment: Experiment) -> None:
    try:
        spec = sources.size(experiment.data.source).spec
    except DataError:
        return  # the reader says so, on the machine that has the files
    if spec is not None:
        Augment(experiment.training.augment, spec)
        task = Task.by_loss(experiment.net, experiment.training.loss)
        check_mixing(experiment.training.augment, spec, task)
