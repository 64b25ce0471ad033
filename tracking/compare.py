"""Compares runs: settings that differ, metrics, mean and spread over seeds."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from tracking.run import Run

SEED = "training.seed"


def find_differences(
    runs: Sequence[Run], *, tags: str | None = None
) -> dict[str, list[str | None]]:
    """Parameters that are not the same in all runs: name to the value in each (None: not set).

    Args:
        tags: compare the tags whose names begin so, instead of the parameters.
    """
    values = [run.params if tags is None else run.tags for run in runs]
    names = sorted({name for each in values for name in each if name.startswith(tags or "")})
    rows = {name: [each.get(name) for each in values] for name in names}
    return {name: row for name, row in rows.items() if len(set(row)) > 1}


def metrics(runs: Sequence[Run], *, without: tuple[str, ...] = ("health/",)) -> pd.DataFrame:
    """A row per metric, a column per run id; NaN where a run has none.

    Args:
        without: beginnings of names to leave out.
    """
    names = {n for run in runs for n in run.metrics if not n.startswith(without)}
    return pd.DataFrame(
        {run.run_id: [run.metrics.get(name, math.nan) for name in sorted(names)] for run in runs},
        index=pd.Index(sorted(names), name="metric"),
        dtype=float,
    )


def summarize_seeds(runs: Sequence[Run], metric: str, *, seed: str = SEED) -> pd.DataFrame:
    """Mean and spread of a metric over runs that differ in their seed only, most seeds first.

    Args:
        seed: the parameter that differs between repetitions, as do parameters that end in `.seed`.

    Returns:
        A row per setting: the parameters that differ between the settings, then `runs`, `mean`,
        `std` (of the sample, n - 1; NaN for one run), `min`, `max`, `run_ids`. Runs without the
        metric are left out.
    """
    valued = [run for run in runs if metric in run.metrics]
    groups: dict[str, list[Run]] = {}
    for run in valued:
        groups.setdefault(json.dumps(_settings(run, seed), sort_keys=True), []).append(run)
    rows = [(json.loads(key), members) for key, members in groups.items()]
    every = sorted({name for settings, _ in rows for name in settings})
    varying = [n for n in every if len({settings.get(n) for settings, _ in rows}) > 1]
    table = [
        {name: settings.get(name) for name in varying} | _summary(members, metric)
        for settings, members in sorted(rows, key=lambda row: -len(row[1]))
    ]
    return pd.DataFrame(table, columns=[*varying, *_SUMMARY])


_SUMMARY = ("runs", "mean", "std", "min", "max", "run_ids")


def _settings(run: Run, seed: str) -> dict[str, str]:
    return {k: v for k, v in run.params.items() if k != seed and not k.endswith(".seed")}


def _summary(runs: Sequence[Run], metric: str) -> dict[str, Any]:
    values = pd.Series([run.metrics[metric] for run in runs], dtype=float)
    return {
        "runs": len(runs),
        "mean": values.mean(),
        "std": values.std(ddof=1),
        "min": values.min(),
        "max": values.max(),
        "run_ids": [run.run_id for run in runs],
    }
