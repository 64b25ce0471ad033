"""From a source's settings to rows with their split."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.data import downloads
from workbench.data.canonical import CanonicalFrame
from workbench.data.config import DataConfig, SplitConfig
from workbench.data.corrections import correct
from workbench.data.sources import read
from workbench.data.split import draw_splits, find_official_splits
from workbench.progress import Progress

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def load(config: DataConfig, spark: SparkSession) -> CanonicalFrame:
    """Read a source, assign each row to a split, and encode what depends on the split.

    Raises:
        DataError: the source cannot be read, or lacks the column to split by.
    """
    return assign_splits(read(config.source, spark), config.split, config.corrections)


def download_if_missing(source: Any, progress: Progress) -> None:
    """Download the data set that a source names, unless it is here, and report the progress.

    Args:
        source: a source's settings, or the name itself.

    Raises:
        DataError: it cannot be downloaded.
    """
    name = source if isinstance(source, str) else getattr(source, "path", None)
    if (
        name is None
        or name not in downloads.DATA_SETS
        or Path(name).exists()
        or not downloads.find_missing(name)
    ):
        return
    progress.stage(f"Downloading {name} ({downloads.DATA_SETS[name].size / 1e6:.0f} MB)")
    tenths = 0

    def report(done: int, size: int) -> None:
        nonlocal tenths
        if done * 10 // size > tenths:
            tenths = done * 10 // size
            progress.note(f"{name}: {done / 1e6:.0f} of {size / 1e6:.0f} MB")

    downloads.fetch(name, report)


def assign_splits(
    canonical: CanonicalFrame, config: SplitConfig, corrections: str | None = None
) -> CanonicalFrame:
    """Assign the rows that the source left open to a split, and encode what depends on the split.

    Args:
        corrections: file of samples to leave out or to give another class; None: all as they are.

    Raises:
        DataError: the rows lack the column to split by, or the corrections do not fit.
    """
    canonical = find_official_splits(canonical)
    frame = draw_splits(
        canonical.frame,
        config,
        stratified=canonical.labels is not None,
        official_test=canonical.official_test,
        official_validation=canonical.official_validation,
    )
    canonical = replace(canonical, frame=frame)
    windows = canonical.encode is not None and canonical.spec.kind == "series"
    if (
        corrections is not None and not windows
    ):  # what is left out is no part of a vocabulary either
        canonical = correct(canonical, corrections)
    canonical = canonical.encode(canonical) if canonical.encode else canonical
    return correct(canonical, corrections) if corrections is not None and windows else canonical
