"""What compared runs are called, and how many still have a line or a column of their own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from workbench.ui import store

MOST_RUNS = 100
FEW = 10
"""Up to so many runs have a colour each in a chart, and a column each in a table."""


_ID_LENGTHS = (5, 8, 32)


def short_names(runs: Sequence[store.Run]) -> dict[str, str]:
    """Run id to a short name that is unique among them: what is kept by name would lose a run."""
    count = Counter(run.name for run in runs)
    names: dict[str, str] = {}
    for length in _ID_LENGTHS:
        names = {
            run.id: run.name if count[run.name] == 1 else f"{run.name} {run.id[:length]}"
            for run in runs
        }
        if len(set(names.values())) == len(names):
            break
    return names
