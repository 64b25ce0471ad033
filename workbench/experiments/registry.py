"""Finds an experiment by its name, of an installed package too, or by a file and the function in it that returns one."""

from __future__ import annotations

import importlib
import inspect
import runpy
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nets import code as codes
from nets.config import unknown
from nets.errors import ConfigError

if TYPE_CHECKING:
    from workbench.experiments.experiment import Experiment

_SHIPPED = {
    "cifar10_cnn": "workbench.experiments.shipped.cifar10",
    "digits_autoencoder": "workbench.experiments.shipped.digits",
    "digits_cnn": "workbench.experiments.shipped.digits",
    "digits_rnn": "workbench.experiments.shipped.digits",
    "fashion_mnist": "workbench.experiments.shipped.fashion_mnist",
    "etth1": "workbench.experiments.shipped.series",
    "japanese_vowels": "workbench.experiments.shipped.series",
    "names": "workbench.experiments.shipped.text",
    "rt_polarity": "workbench.experiments.shipped.text",
}

GROUP = "workbench.experiments"
"""Entry points of installed packages: name to a function that returns an experiment."""

_MODULE = "workbench_experiment_file"
"""Module name of a person's file: never importable, so its code is pickled by value."""


def names() -> list[str]:
    """The experiments that ship, and those of installed packages, sorted."""
    return sorted({*_SHIPPED, *(entry.name for entry in entry_points(group=GROUP))})


def is_data_path(name: Any) -> bool:
    """Whether it is a file or folder of data, and no experiment."""
    return (
        isinstance(name, (str, Path))
        and str(name) not in names()
        and ".py" not in str(name)
        and Path(name).expanduser().exists()
    )


def load_experiment(name: str) -> Experiment:
    """The shipped experiment called `name`, that of an installed package (entry points of the group
    `workbench.experiments`), or the one of a function in a file: `path/to/my.py:wide`.

    A name that ships is always the one that ships. The function takes no arguments and returns a complete `Experiment`; a module-level
    `Experiment` works too. The file is run as Python code, with its folder on the import path.

    Raises:
        ConfigError: nothing has that name, the file cannot be run, or the function does not
            return an Experiment.
    """
    if name in _SHIPPED:
        return _build(getattr(importlib.import_module(_SHIPPED[name]), name), name)
    if installed := entry_points(group=GROUP, name=name):
        return _load_installed(name, tuple(installed))
    path, _, function = name.rpartition(":") if ".py:" in name else (name, "", "")
    if not path.endswith(".py"):
        raise ConfigError(
            f"{unknown('experiment', name, names())} One of your own is named by its file and "
            "function: path/to/my_experiment.py:wide"
        )
    source = _choose(_run(Path(path)), function, path)
    return _build(source, f"{path}:{function}".rstrip(":"))


def _load_installed(name: str, entries: tuple[EntryPoint, ...]) -> Experiment:
    packages = sorted({entry.dist.name if entry.dist else entry.value for entry in entries})
    if len(packages) > 1:
        raise ConfigError(
            f"Several installed packages have an experiment {name!r}: {', '.join(packages)}. Uninstall one, "
            "or name a file and its function."
        )
    what = f"Experiment {name!r} of the package {packages[0]}"
    with _report_errors(what, Path(entries[0].module)):
        source = entries[0].load()
    if not isinstance(source, _experiment_class()) and not inspect.isfunction(source):
        raise ConfigError(f"{what} must be a function that returns one, got {source!r}.")
    return _build(source, what)


def _experiment_class() -> type[Experiment]:
    from workbench.experiments.experiment import Experiment

    return Experiment


def _run(path: Path) -> dict[str, Any]:
    """The names a file defines."""
    if not path.is_file():
        near = sorted(str(p) for p in path.parent.glob("*.py")) if path.parent.is_dir() else []
        hint = f" Python files there: {', '.join(near)}." if near else ""
        raise ConfigError(f"No experiment file {str(path)!r} in {Path.cwd()}.{hint}")
    folder = str(path.resolve().parent)
    codes.forget_others(Path(folder))
    sys.path.insert(0, folder)
    try:
        with _report_errors(str(path), path):
            return runpy.run_path(str(path), run_name=_MODULE)
    finally:
        sys.path.remove(folder)


@contextmanager
def _report_errors(what: str, path: Path) -> Iterator[None]:
    """Turn an error in a person's code into a message: what failed, how, and in which line."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"{what}: {error}") from error
    except (Exception, SystemExit) as error:
        lines = [
            frame.lineno
            for frame in traceback.extract_tb(error.__traceback__)
            if Path(frame.filename).name == path.name
        ]
        line = f" (line {lines[-1]})" if lines else ""
        kind = type(error).__name__
        raise ConfigError(f"{what} failed with {kind}: {error}{line}") from error


def _choose(variables: Mapping[str, Any], function: str, path: str) -> Any:
    from workbench.experiments.experiment import Experiment

    candidates = {
        name: value
        for name, value in variables.items()
        if not name.startswith("_")
        and (
            isinstance(value, Experiment)
            or (inspect.isfunction(value) and value.__module__ == _MODULE)
        )
    }
    if function in candidates:
        return candidates[function]
    if function:
        if not candidates:
            raise ConfigError(f"{path} defines no function {function!r}, nor any other.")
        raise ConfigError(f"{path}: {unknown('function', function, sorted(candidates))}")
    # A function that needs arguments is another part of the file, such as a loss.
    runnable = {n: v for n, v in candidates.items() if not _required(v)} or candidates
    if len(runnable) == 1:
        return next(iter(runnable.values()))
    ways = ", ".join(f"{path}:{name}" for name in sorted(runnable)) or "nothing to choose from"
    raise ConfigError(f"Say which experiment of {path} is meant: {ways}.")


def _required(source: Any) -> list[str]:
    """Names of the arguments that a function needs; none of an experiment."""
    if not inspect.isfunction(source):
        return []
    return [
        parameter.name
        for parameter in inspect.signature(source).parameters.values()
        if parameter.default is parameter.empty and parameter.kind not in (2, 4)
    ]


def _build(source: Experiment | Callable[[], Any], name: str) -> Experiment:
    from workbench.experiments.experiment import Experiment

    if isinstance(source, Experiment):
        return source
    if required := _required(source):
        raise ConfigError(
            f"An experiment function takes no arguments, {name} needs {', '.join(required)}. "
            "Give them defaults."
        )
    with _report_errors(name, Path(inspect.getfile(source))):
        experiment = source()
    if not isinstance(experiment, Experiment):
        raise ConfigError(
            f"An experiment function returns an Experiment, {name} returned "
            f"{type(experiment).__name__}. Return workbench.Experiment(...)."
        )
    return experiment
