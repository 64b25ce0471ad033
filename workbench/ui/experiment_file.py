"""A run's experiment as a Python file, which `workbench train` and `workbench sweep` take."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nets.errors import ConfigError
from workbench.experiments import load_experiment
from workbench.experiments.experiment import Experiment
from workbench.home import home_folder

_FILE = '''"""The experiment of run {run_id}, complete: `workbench train {name}:again`."""

import json

from nets.config import from_dict
from workbench.experiments import Experiment

_EXPERIMENT = json.loads(
    r"""
{experiment}
"""
)


def again() -> Experiment:
    return from_dict(Experiment, _EXPERIMENT)
'''


def write_source(run_id: str, name: str, experiment: Mapping[str, Any]) -> str:
    """A file whose function `again` makes that experiment."""
    # In JSON a quote within a text is escaped, so three in a row come only from an empty text
    # beside another: none of our own making, but a raw string must not end early.
    text = json.dumps(experiment, indent=2).replace('"""', '""' + "\\u0022")
    return _FILE.format(run_id=run_id, name=name, experiment=text)


def load(name: str, shipped: Sequence[str]) -> Experiment:
    """A shipped experiment, or one of a file below the working directory: the file is run.

    Raises:
        ConfigError: nothing has that name, the file is elsewhere, or it has no experiment.
    """
    path = name.rpartition(":")[0] if ".py:" in name else name
    if name not in shipped and path.endswith(".py"):
        here = Path.cwd().resolve()
        if not Path(path).resolve().is_relative_to(here):
            raise ConfigError(
                f"An experiment that is started from the browser lies in {here} or below, got "
                f"{path!r}. Copy it there, or start it from a terminal: workbench train {name}"
            )
    return load_experiment(name)


def save(run_id: str, experiment: Mapping[str, Any]) -> str:
    """Write the run's experiment below the workbench's folder; what `workbench train` calls it."""
    name = f"run_{run_id[:8]}.py"
    file = home_folder() / "experiments" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    text = write_source(run_id, name, experiment)
    if not file.is_file() or file.read_text() != text:
        file.write_text(text)
    shown = file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file
    return f"{shown}:again"
