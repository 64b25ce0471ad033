"""All settings of an experiment with their meanings, for listings and forms."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from nets.config import flatten
from workbench.experiments.experiment import Experiment


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One leaf of the experiment's tree."""

    path: str
    """What `--set` takes: `training.learning_rate`."""
    value: Any
    """Its value, as plain JSON types."""
    meaning: str
    """The text beside the field in its configuration class."""


def settings(experiment: Experiment) -> list[Setting]:
    """The settings, in the order of the fields of their classes."""
    values = flatten(experiment)
    meanings = dict(_meanings(experiment, ""))
    return [
        Setting(path=path, value=value, meaning=_nearest(path, meanings))
        for path, value in values.items()
    ]


def _meanings(node: Any, prefix: str) -> Iterator[tuple[str, str]]:
    for field in dataclasses.fields(node):
        description = type(node).__pydantic_fields__[field.name].description or ""
        yield prefix + field.name, " ".join(description.split())
        value = getattr(node, field.name)
        if dataclasses.is_dataclass(value):
            yield from _meanings(value, f"{prefix}{field.name}.")


def _nearest(path: str, meanings: dict[str, str]) -> str:
    """The meaning of a path; for a key inside a plain dict, that of the dict."""
    while path not in meanings and "." in path:
        path = path.rpartition(".")[0]
    return meanings.get(path, "")
