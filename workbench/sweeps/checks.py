"""What a sweep refuses before anything starts."""

from __future__ import annotations

from nets import ConfigError
from nets.config import override
from workbench.experiments.experiment import Experiment
from workbench.experiments.space import Choice, Uniform
from workbench.sweeps.search import candidates
from workbench.sweeps.variants import BEFORE_THE_NET
from workbench.training.checks import check_values
from workbench.training.idle import check_idle_in_sweep


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
    _check_data_space(experiment)
    for path, parameter in experiment.sweep.space.items():
        if path.startswith("sweep."):
            raise ConfigError(f"a sweep cannot search its own setting {path!r}.")
        if isinstance(parameter, Uniform) and experiment.sweep.search == "grid":
            raise ConfigError(
                f"a grid needs a list of values for every path, got a range for {path!r}. List "
                "values, or use search random or bayes."
            )
        for value in candidates(parameter):
            override(experiment, {path: value})
    _check_before_start(experiment)
    try:
        check_idle_in_sweep(experiment)
    except ConfigError as error:
        if not recorded:
            raise
        return [f"The sweep's record is used as it is, although: {error}"]
    return []


def _check_before_start(experiment: Experiment) -> None:
    """Refuse what no trial could train with: of the searched settings, each value is checked.

    Raises:
        ConfigError: as `workbench.training.checks.check_values`.
    """
    values = {
        path: candidates(parameter)
        for path, parameter in experiment.sweep.space.items()
        if path.startswith(("training.augment.", "training.monitor", "data.split."))
    }
    first = override(experiment, {path: choices[0] for path, choices in values.items()})
    check_values(first, experiment.sweep.metric)
    for path, choices in values.items():
        for value in choices[1:]:
            check_values(override(first, {path: value}), experiment.sweep.metric)


def _check_data_space(experiment: Experiment) -> None:
    """Refuse ranges of settings that data has to be prepared for.

    Raises:
        ConfigError: a setting of data or preparation has no list of values.
    """
    for path, parameter in experiment.sweep.space.items():
        if path.startswith(BEFORE_THE_NET) and not isinstance(parameter, Choice):
            raise ConfigError(
                f"data is prepared before the trials, so {path!r} needs a list of values, got a "
                f"range from {parameter.low} to {parameter.high}."
            )
