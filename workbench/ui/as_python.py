"""What a form or a run does, as lines of Python for a notebook or a script."""

from __future__ import annotations

import pprint
from collections.abc import Mapping
from typing import Any, Literal

from tracking import hide_passwords


def write_call(what: Literal["train", "sweep"], experiment: str, changes: Mapping[str, Any]) -> str:
    """The call that does the same as `workbench train EXPERIMENT --set ...`."""
    arguments = repr(experiment)
    if changes:
        settings = pprint.pformat(dict(changes), width=88, sort_dicts=False)
        arguments += ", " + hide_passwords(settings)
    return (
        "import workbench\n\n"
        "with workbench.open() as wb:\n"
        f"    result = wb.{what}({_indent(arguments)})\n"
        "result"
    )


def _indent(text: str) -> str:
    """Later lines of a value, below the call."""
    return text.replace("\n", "\n    ")


def write_repeat(run_id: str) -> str:
    """Lines that train a run again on a DataFrame, which only a program has."""
    return (
        "import workbench\n\n"
        "with workbench.open(spark=spark) as wb:\n"
        f'    result = wb.train(wb.run("{run_id}").experiment, data=df)\n'
        "result"
    )


def write_read(run_id: str) -> str:
    """Lines that read a run in a notebook."""
    return (
        "import workbench\n\n"
        "wb = workbench.open()\n"
        f'run = wb.run("{run_id}")\n'
        "run  # its settings and results\n"
        "run.curves()"
    )
