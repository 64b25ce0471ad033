"""The experiments that ship, and how one is found by name or in a person's own file."""

from __future__ import annotations

from workbench.experiments.registry import load_experiment, names
from workbench.experiments.settings import Setting, settings

__all__ = ["Setting", "load_experiment", "names", "settings"]
