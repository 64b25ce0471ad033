"""A run's experiment as a Python file that `workbench train` takes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_FILE = '''"""The experiment of run {run_id}, complete: `workbench train {name}:again`."""

import json

from nets.config import from_dict
from workbench.experiments import Experiment

_TOLD = json.loads(
    r"""
{told}
"""
)


def again() -> Experiment:
    return from_dict(Experiment, _TOLD)
'''


def as_file(run_id: str, name: str, told: Mapping[str, Any]) -> str:
    """A file whose function `again` makes the experiment that `told` describes."""
    # In JSON a quote within a text is escaped, so three in a row come only from an empty text
    # beside another: none of our own making, but a raw string must not end early.
    text = json.dumps(told, indent=2).replace('"""', '""' + "\\u0022")
    return _FILE.format(run_id=run_id, name=name, told=text)
