"""Options of `workbench sweep` that are text for several settings or in a unit of time."""

from __future__ import annotations

import re
from typing import Any

import typer

from nets.best import LOWER_IS_BETTER

_UNITS = {"s": 1 / 60, "m": 1.0, "h": 60.0, "d": 1440.0}
_LOWER = (*LOWER_IS_BETTER, "parameters", "gradient_norm")
"""Last parts of the names of metrics that are better where they are lower."""


def parse_bound(text: str) -> float:
    """Minutes of `90s`, `30m`, `2h` or `1d`; a number alone is minutes.

    Raises:
        BadParameter: it is none of these.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhd]?)", text.strip())
    if found is None or not float(found[1]):
        raise typer.BadParameter(f"--bound takes a time such as 90s, 30m or 2h, got {text!r}.")
    return float(found[1]) * _UNITS[found[2] or "m"]


def parse_metric(text: str) -> dict[str, Any]:
    """The settings of `accuracy:max,parameters:min`. A name without a split is of the validation rows;
    without max or min, losses, errors and parameters are better where they are lower.

    Raises:
        BadParameter: a part is no NAME, NAME:max or NAME:min, or a name comes twice.
    """
    modes: dict[str, str] = {}
    for part in text.split(","):
        name, colon, mode = part.strip().partition(":")
        if not name or (colon and mode not in ("max", "min")):
            raise typer.BadParameter(f"--metric takes NAME, NAME:max or NAME:min, got {part!r}.")
        if "/" not in name and name not in ("parameters", "samples_per_s", "gradient_norm"):
            name = f"validation/{name}"
        if name in modes:
            raise typer.BadParameter(f"--metric names {name} twice.")
        lower = name.rpartition("/")[2] in _LOWER
        modes[name] = mode or ("min" if lower else "max")
    (metric, mode), *others = modes.items()
    return {"sweep.metric": metric, "sweep.mode": mode, "sweep.objectives": dict(others)}
