"""What a sweep refuses before anything starts."""

from __future__ import annotations

from nets import ConfigError
from nets.best import check_mode
from workbench.experiments.changes import override
from workbench.experiments.combinations import candidates, combinations, with_conditions
from workbench.experiments.experiment import Experiment
from workbench.experiments.space import Choice, SweepConfig, Uniform
from workbench.experiments.space_check import check_paths, contexts
from workbench.sweeps.folds import searched
from workbench.sweeps.objectives import PARAMETERS, objectives
from workbench.sweeps.schedulers import count_brackets, most_epochs
from workbench.sweeps.variants import BEFORE_THE_NET
from workbench.training.checks import check_values
from workbench.training.idle import check_idle_in_sweep
from workbench.training.partial import refuse_partial


def check_space(experiment: Experiment, *, recorded: bool = False) -> list[str]:
    """Refuse a space with an unknown path or a value that breaks a rule, before anything starts.

    Args:
        recorded: whether it is the record of a sweep that is resumed. Idle settings are noted.

    Returns:
        The notes.
    """
    if not experiment.sweep.space:
        raise ConfigError(
            f"experiment {experiment.name!r} has no sweep space. Give one, such as "
            "--space training.learning_rate=log:1e-4..1e-1 --space net.activation=relu,elu."
        )
    for path in ("training.overfit_batches", "training.limit_batches"):
        if path in experiment.sweep.space:
            raise ConfigError(f"{path} is for a check before a sweep, and no setting to search.")
    refuse_partial(experiment.training, "a sweep")
    _check_data_space(experiment)
    notes = _check_search(experiment.sweep, most_epochs(experiment))
    check_paths(experiment)
    _check_before_start(experiment)
    try:
        check_idle_in_sweep(experiment)
    except ConfigError as error:
        if not recorded:
            raise
        notes.append(f"The sweep's record is used as it is, although: {error}")
    return notes


def _check_search(config: SweepConfig, epochs: int) -> list[str]:
    """Refuse a search that cannot be in this space or for these objectives, and note what it leaves to
    chance."""
    space = searched(config)
    ranges = [path for path, one in space.items() if isinstance(one, Uniform)]
    notes = []
    if ranges and config.search == "grid":
        raise ConfigError(
            f"a grid needs a list of values for every path, got a range for {ranges[0]!r}. List "
            "values, or use search random or bayes."
        )
    drawn = []
    if config.search == "cmaes":
        always = [path for path in ranges if not space[path].only_if]
        if len(always) < 2:
            raise ConfigError(
                f"search cmaes (CMA-ES) needs two ranges or more that every trial has, got "
                f"{len(always)}. Use search tpe or gp, or give ranges: KEY=LOW..HIGH."
            )
        drawn = [path for path in space if path not in always]
    elif config.search == "gp":
        drawn = [path for path, one in space.items() if one.only_if]
    if drawn:
        rest = (
            "ranges that every trial has" if config.search == "cmaes" else "unconditional settings"
        )
        notes.append(
            f"Search {config.search} learns from {rest}; it draws at random: {', '.join(drawn)}."
        )
    _check_objectives(config)
    grace = min(config.grace_epochs, epochs)
    if (
        config.scheduler == "hyperband"
        and count_brackets(grace, epochs, config.reduction_factor) == 1
    ):
        notes.append(
            f"HyperBand has one first rung, and is asha then: {grace} of {epochs} epochs are left to "
            f"each trial, and sweep.reduction_factor is {config.reduction_factor}."
        )
    return notes


def _check_objectives(config: SweepConfig) -> None:
    if config.metric == PARAMETERS:
        raise ConfigError(
            "sweep.metric 'parameters' is the same in each epoch. Name it after a metric: --metric "
            "accuracy:max,parameters:min."
        )
    for name, mode in objectives(config).items():
        check_mode(name, mode)
    if not config.objectives:
        return
    if config.metric in config.objectives:
        raise ConfigError(f"{config.metric!r} is an objective twice. Name each one once.")
    if config.search == "cmaes":
        raise ConfigError(
            "search cmaes (CMA-ES) has one objective, got "
            f"{', '.join([config.metric, *config.objectives])}. Use search tpe, gp, random or qmc."
        )
    if config.scheduler != "none":
        raise ConfigError(
            f"scheduler {config.scheduler!r} stops trials by one objective, which may be the best in "
            "another. Set sweep.scheduler to none (--scheduler none)."
        )


def _check_before_start(experiment: Experiment) -> None:
    """Refuse what no trial could train with: of the searched settings, each value is checked.

    Raises:
        ConfigError: as `workbench.training.checks.check_values`.
    """
    sweep = experiment.sweep
    metrics = [sweep.metric, *(name for name in sweep.objectives if name != PARAMETERS)]
    prefixes = ("training.augment.", "training.monitor", "data.split.")
    paths = [path for path in sweep.space if path.startswith(prefixes)]
    first = next(combinations(with_conditions(sweep.space, paths)))
    check_values(override(experiment, first), *metrics)
    for path in paths:
        for settings in contexts(sweep.space, path):
            check_values(override(experiment, {**first, **settings}), *metrics)


def _check_data_space(experiment: Experiment) -> None:
    """Refuse ranges of settings that data has to be prepared for.

    Raises:
        ConfigError: a setting of data or preparation has no list of values.
    """
    for path, parameter in experiment.sweep.space.items():
        if path.startswith(BEFORE_THE_NET) and not isinstance(parameter, Choice):
            low, high = candidates(parameter)
            raise ConfigError(
                f"data is prepared before the trials, so {path!r} needs a list of values, got a "
                f"range from {low} to {high}."
            )
