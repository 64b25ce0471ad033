"""Data by name: an experiment, a path, or a source's settings as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nets.config import from_dict
from nets.errors import ConfigError
from workbench.data import DataConfig, download_if_missing, guess_source
from workbench.data.guess import describe_guess
from workbench.experiments import is_data_path, load_experiment
from workbench.experiments.changes import override
from workbench.experiments.experiment import Experiment
from workbench.preflight.source import Description, describe

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from nets.prepare import PreparationConfig
    from workbench.progress import Progress

UNNAMED = "described"
"""Name of an experiment that was made for a source."""


def resolve(
    source: str, changes: Mapping[str, Any] | None = None, *, name: str = UNNAMED
) -> Experiment:
    """The experiment of that name, or one on the data.

    Args:
        changes: settings by path, as `--set` has them.
        name: of an experiment that is made for data.

    Raises:
        ConfigError: no such experiment, or a setting breaks a rule. DataError: of no known kind of data.
    """
    changes = changes or {}
    if source.startswith("{"):
        try:
            settings = json.loads(source)
        except json.JSONDecodeError as error:
            raise ConfigError(f"SOURCE is not JSON ({error}), got {source!r}.") from None
    elif is_data_path(source):
        settings = guess_source(source)
    else:
        return override(load_experiment(source), changes)
    tree: dict[str, Any] = {"source": settings}
    if isinstance(settings, dict) and settings.get("kind") == "series":
        tree["split"] = {"by": "time"}  # rows, the default, cannot be; changes may say another
    for path, value in changes.items():  # a source may be whole only with them
        if path.startswith("data.source.") and path.count(".") == 2 and isinstance(settings, dict):
            settings[path.removeprefix("data.source.")] = _parse(value)
    return override(Experiment(name=name, data=from_dict(DataConfig, tree)), changes)


def _parse(value: Any) -> Any:
    try:
        return json.loads(value)
    except (TypeError, ValueError):
        return value


def describe_named(
    source: str | None,
    config: DataConfig,
    preparation: PreparationConfig,
    spark: SparkSession,
    *,
    samples: Path | None,
    progress: Progress,
) -> Description:
    """Describe data, downloaded if it is not there, with what was guessed about a path.

    Args:
        source: as the person named the data, where `resolve` made `config` of it.
        samples: PNG file for the contact sheet; None: no sheet.
    """
    download_if_missing(config.source, progress)
    progress.stage("Reading the data in Spark")
    description = describe(config, preparation, spark, samples=samples, progress=progress)
    progress.stage_done()
    if source is None or not is_data_path(source):
        return description
    guessed = describe_guess(guess_source(source))
    return replace(description, decided=[*guessed, *description.decided])
