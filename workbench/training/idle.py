"""Settings that a person changed and that would change nothing: refused before Ray starts.

The rules are in `idle_training`, `idle_net`, `idle_data`, `idle_sweep` and `workbench.cluster.idle`. A
rule names a setting that is idle whatever its value. It is refused where its value is not the
default, because then a person believes that it does something.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from nets.errors import ConfigError
from nets.idle import IdleSetting
from workbench.cluster.idle import idle_settings as idle_in_cluster
from workbench.experiments.changes import overlap, override, param_name
from workbench.experiments.combinations import combinations, with_conditions
from workbench.experiments.experiment import Experiment
from workbench.training.idle_data import idle_in_data, idle_in_preparation
from workbench.training.idle_net import idle_in_net
from workbench.training.idle_rule import default_of, sample_kind, value_of
from workbench.training.idle_sweep import idle_in_sweep
from workbench.training.idle_training import idle_in_training

_DECIDING = ("data.", "preparation.", "net.", "training.")
"""Settings of a space that say which others act."""
_MOST_COMBINATIONS = 2048
"""A space with more combinations of these is not looked through: nothing in it is refused."""


def check_idle(experiment: Experiment, *, reads_source: bool = True) -> None:
    """Refuse settings of a training that were changed and change nothing.

    Args:
        reads_source: False where the rows come from elsewhere than `experiment.data`.

    Raises:
        ConfigError: there are some; each is named with its value, the rule and the way out.
    """
    _refuse(experiment, _find_changed(experiment, reads_source))


def check_idle_in_sweep(experiment: Experiment) -> None:
    """Refuse settings that change nothing in any trial of the sweep, and idle settings of the sweep.

    Raises:
        ConfigError: there are some.
    """
    _refuse(experiment, [idle for idle in idle_in_sweep(experiment) if _changed(experiment, idle)])
    space = experiment.sweep.space
    deciding = [path for path in space if path == "net" or path.startswith(_DECIDING)]
    searched = with_conditions(space, deciding)
    names = {param_name(path) for path in searched}
    # Most experiments have no idle setting: one combination shows it.
    left: dict[str, tuple[IdleSetting, Experiment]] | None = None
    for number, settings in enumerate(combinations(searched)):
        if number == _MOST_COMBINATIONS or left == {}:
            return
        try:
            trial = override(experiment, settings)
        except ConfigError:  # no such trial can run
            continue
        idle = {each.path: (each, trial) for each in _find_idle(trial, reads_source=True)}
        left = {
            path: (idle[path] if left is None else left[path])
            for path in idle
            if (left is None or path in left)
            and (path in set(map(param_name, settings)) or _changed(trial, idle[path][0]))
        }
    lines = [
        _describe(trial, idle, searched=idle.path in names) for idle, trial in (left or {}).values()
    ]
    if lines:
        raise ConfigError("\n".join(lines))


def check_changes_of_sweep(experiment: Experiment, changes: Iterable[str]) -> None:
    """Refuse changes of settings that the sweep searches: each trial has a value from the space.

    Args:
        changes: paths that a person set for this sweep.

    Raises:
        ConfigError: there are some.
    """
    lines = [
        f"{path} was set, and would change nothing: the sweep searches it. Leave it out, or give "
        f"values to search: --space {path}=..."
        for path in changes
        if any(path == one or overlap(path, one) for one in experiment.sweep.space)
    ]
    if lines:
        raise ConfigError("\n".join(lines))


def check_idle_in_cluster(experiment: Experiment) -> None:
    """Refuse settings of the cluster that were changed and change nothing.

    Raises:
        ConfigError: there are some.
    """
    idle = _idle_in_cluster(experiment)
    _refuse(experiment, [each for each in idle if _changed(experiment, each)])


def check_idle_changes(experiment: Experiment, changes: Iterable[str]) -> None:
    """Refuse settings that a person gave beside a record and that change nothing.

    Args:
        changes: their paths. Idle settings of the record itself are not refused.

    Raises:
        ConfigError: there are some.
    """
    given = tuple(changes)
    idle = _find_changed(experiment, reads_source=True)
    _refuse(experiment, [i for i in idle if i.path in given])


def note_idle(experiment: Experiment, kind: str | None = None) -> list[str]:
    """One sentence for each changed setting of a recorded experiment that changes nothing.

    A record from before a rule is as true as it was: its run trained with the setting idle.

    Args:
        kind: what the rows are (`TensorSpec.kind`); only what depends on it is looked at.
    """
    idle = _find_changed(experiment, True) if kind is None else _find_by_rows(experiment, kind)
    return [
        f"{i.path} {_as_typed(value_of(experiment, i.path))!r} is in the run's record and changes "
        f"nothing: {i.rule}."
        for i in idle
    ]


def check_idle_for_rows(experiment: Experiment, kind: str) -> None:
    """Refuse changed settings that change nothing for rows of this kind (`TensorSpec.kind`).

    Raises:
        ConfigError: there are some.
    """
    _refuse(experiment, _find_by_rows(experiment, kind))


def _find_by_rows(experiment: Experiment, kind: str) -> list[IdleSetting]:
    by_kind = [
        *idle_in_training(experiment, kind),
        *idle_in_net(experiment, kind),
        *idle_in_preparation(experiment, kind),
    ]
    named = ("training.channels_last", "net.embedding", "preparation.method")
    return [i for i in by_kind if i.path in named and _changed(experiment, i)]


def _find_changed(experiment: Experiment, reads_source: bool) -> list[IdleSetting]:
    return [i for i in _find_idle(experiment, reads_source) if _changed(experiment, i)]


def _find_idle(experiment: Experiment, reads_source: bool) -> Iterator[IdleSetting]:
    kind = sample_kind(experiment.data.source) if reads_source else None
    yield from idle_in_training(experiment, kind)
    yield from idle_in_net(experiment, kind)
    yield from idle_in_preparation(experiment, kind)
    if reads_source:
        yield from idle_in_data(experiment)
    yield from _idle_in_cluster(experiment)


def _idle_in_cluster(experiment: Experiment) -> Iterator[IdleSetting]:
    for idle in idle_in_cluster(experiment.cluster):
        yield idle._replace(path=f"cluster.{idle.path}")


def _changed(experiment: Experiment, idle: IdleSetting) -> bool:
    value = value_of(experiment, idle.path)
    return value not in (default_of(experiment, idle.path), *idle.also_true)


def _refuse(experiment: Experiment, idle: Iterable[IdleSetting]) -> None:
    if lines := [_describe(experiment, each) for each in idle]:
        raise ConfigError("\n".join(lines))


def _describe(experiment: Experiment, idle: IdleSetting, *, searched: bool = False) -> str:
    path, rule, way_out, _ = idle
    if searched:
        return (
            f"a search of {path} would compare trials that are the same: {rule}. {way_out}, or "
            "leave it out of sweep.space."
        )
    value, default = value_of(experiment, path), default_of(experiment, path)
    return (
        f"{path} {_as_typed(value)!r} would change nothing: {rule}. {way_out}, or leave {path} at "
        f"{_as_typed(default)!r}."
    )


def _as_typed(value: Any) -> Any:
    """Lists for tuples."""
    return list(value) if isinstance(value, tuple) else value
