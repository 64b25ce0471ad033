"""From a source to the canonical DataFrame, split and measured; all of it done by Spark."""

from __future__ import annotations

from workbench.data.batches import bounded
from workbench.data.config import DataConfig
from workbench.data.counts import record, refuse, survey
from workbench.data.fingerprint import content_fingerprint, fingerprint
from workbench.data.frames import from_dataframe
from workbench.data.loading import load, obtain, placed
from workbench.data.sources import read
from workbench.data.statistics import fit_statistics, fit_targets
from workbench.data.table import Table

__all__ = [
    "DataConfig",
    "Table",
    "bounded",
    "content_fingerprint",
    "fingerprint",
    "fit_statistics",
    "fit_targets",
    "from_dataframe",
    "load",
    "obtain",
    "placed",
    "read",
    "record",
    "refuse",
    "survey",
]
