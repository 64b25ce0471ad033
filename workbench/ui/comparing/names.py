"""What compared runs are called, and how many still have a line or a column of their own."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from workbench.ui import store

MOST_RUNS = 100
FEW = 10
"""Up to so many runs have a colour each in a chart, and a column each in a table."""


def short_names(runs: Sequence[store.Run]) -> dict[str, str]:
    """Run id to a short name that is unique among them."""
    count = pd.Series([run.name for run in runs]).value_counts()
    return {
        run.id: run.name if count[run.name] == 1 else f"{run.name} {run.id[:5]}" for run in runs
    }
