"""An experiment: everything a run needs to be repeated, as one frozen tree."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from nets import NetConfig, PreparationConfig, TrainingConfig
from nets.config import config
from nets.net import DEFAULT_NET
from workbench import html
from workbench.cluster import ClusterConfig
from workbench.data import DataConfig
from workbench.experiments.changed import changed_settings, setting_text
from workbench.experiments.space import SweepConfig


@config
class Experiment:
    """Data, net, training and cluster of one run, and how a sweep varies it.

    Variants come from `dataclasses.replace`, or by dotted path from `nets.config.override`.
    """

    name: str = Field(min_length=1, max_length=200)
    """Name of the MLflow experiment that its runs are recorded under."""
    description: str = ""
    """One line for listings."""
    data: DataConfig = DataConfig()
    """Where rows come from and how they are split."""
    preparation: PreparationConfig = PreparationConfig()
    """What is fitted on the training split and runs as the net's first layer."""
    net: NetConfig = DEFAULT_NET
    """The net."""
    training: TrainingConfig = TrainingConfig()
    """The training loop."""
    cluster: ClusterConfig = ClusterConfig()
    """Where it runs."""
    sweep: SweepConfig = SweepConfig()
    """What `workbench sweep` searches."""

    def __str__(self) -> str:
        """What differs from the defaults, a line for each setting."""
        lines = "".join(f"\n  {path}: {value}" for path, value in _changed(self).items())
        return f"Experiment {self.name}{f': {self.description}' if self.description else ''}{lines}"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))

    def _repr_html_(self) -> str:
        return html.title(self.name, self.description) + html.pairs(_changed(self))


def _changed(experiment: Experiment) -> dict[str, str]:
    """Path to value as text; name and description are in the heading."""
    return {
        path: setting_text(value)
        for path, value in changed_settings(experiment).items()
        if path not in ("name", "description")
    }
