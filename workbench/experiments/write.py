"""Writes an experiment as a Python file that a person can read, change and train."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

from nets.custom import Custom
from nets.errors import ConfigError
from workbench.data.sources import DataFrameSource
from workbench.experiments.changed import is_default
from workbench.experiments.experiment import Experiment


def experiment_code(experiment: Experiment) -> str:
    """The text of a file with a function that returns this experiment; defaults are left out.

    The file gives an equal experiment, so its data has the same fingerprint. A DataFrame of a program
    is an argument of the function.
    """
    classes: dict[str, set[str]] = {}
    body = _write(experiment, classes, 1)
    imports = "\n".join(
        f"from {module} import {', '.join(sorted(names))}"
        for module, names in sorted(classes.items())
    )
    held = isinstance(experiment.data.source, DataFrameSource)
    use = (
        "give its function the Spark DataFrame `df`"
        if held
        else "train it with `workbench train` and the name of this file"
    )
    name = re.sub(r"\W", "_", experiment.name).strip("_").lower() or "experiment"
    name = f"experiment_{name}" if name[0].isdigit() else name
    return (
        f'"""{experiment.name}: {use}."""\n\n'
        f"{imports}\n\n\ndef {name}({'df' if held else ''}) -> Experiment:\n    return {body}\n"
    )


def save_experiment(experiment: Experiment, file: Path) -> None:
    """Write `experiment_code` into a new file.

    Raises:
        ConfigError: the file is there already, or its name does not end in .py.
    """
    if file.suffix != ".py":
        raise ConfigError(f"An experiment is a Python file, got {str(file)!r}. End it in .py.")
    if file.exists():
        raise ConfigError(f"{file} is there already. Remove it, or name another file.")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(experiment_code(experiment), encoding="utf-8")


def _write(value: Any, classes: dict[str, set[str]], depth: int) -> str:
    """A value as Python; `classes` gets what is to be imported, by module."""
    inner, outer = "    " * (depth + 1), "    " * depth
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        kind: type = Custom if isinstance(value, Custom) else type(value)
        classes.setdefault(kind.__module__, set()).add(kind.__name__)
        set_fields = [
            (f.name, getattr(value, f.name))
            for f in dataclasses.fields(value)
            if f.name != "kind" and not is_default(f, getattr(value, f.name))
        ]
        if kind is DataFrameSource:
            set_fields = [one for one in set_fields if one[0] not in ("plan", "frame")]
        parts = [f"{name}={_write(each, classes, depth + 1)}," for name, each in set_fields]
        if isinstance(value, Custom):
            parts.insert(0, f"{_import_part(value, classes)},")
        if kind is DataFrameSource:
            parts.insert(0, "df,")
        opening, closing = f"{kind.__name__}(", ")"
    elif isinstance(value, dict) and value:
        parts = [f"{key!r}: {_write(each, classes, depth + 1)}," for key, each in value.items()]
        opening, closing = "{", "}"
    elif isinstance(value, (tuple, list)) and any(map(dataclasses.is_dataclass, value)):
        parts = [f"{_write(each, classes, depth + 1)}," for each in value]
        opening, closing = ("(", ")") if isinstance(value, tuple) else ("[", "]")
    else:
        return repr(value)
    lines = "".join(f"{inner}{part}\n" for part in parts)
    return f"{opening}\n{lines}{outer}{closing}" if parts else f"{opening}{closing}"


def _import_part(part: Custom, classes: dict[str, set[str]]) -> str:
    """The name of a part of torch or of a person's own, whose file lies beside the new one."""
    where, _, name = part.source.partition(":")
    module = where.removesuffix(".py").replace("/", ".")
    classes.setdefault(module, set()).add(name.partition(".")[0])
    return name
