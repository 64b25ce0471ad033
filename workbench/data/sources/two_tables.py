"""A table, and maybe another one whose rows are its test set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from workbench.data.sources.open_table import SPLIT, OpenTable, mark_splits
from workbench.errors import DataError


class Tables(Protocol):
    """Settings of a source that may have a table of its own for the test set."""

    @property
    def path(self) -> str: ...
    @property
    def test_path(self) -> str | None: ...
    @property
    def split(self) -> str | None: ...
    @property
    def named_splits(self) -> bool: ...


def open_with_test(
    source: Tables, open_one: Callable[[str, bool], OpenTable]
) -> tuple[OpenTable, str | None]:
    """The rows of one table or two, with their split, and the column that says it.

    Args:
        open_one: opens a table by its path; the other argument is whether names say the split.

    Raises:
        DataError: as `open_one`, or the tables have not the same columns.
    """
    opened, split = mark_splits(
        open_one(source.path, source.named_splits), source.split, by_name=source.named_splits
    )
    if source.test_path is None:
        return opened, split
    return _add_test_table(opened, open_one(source.test_path, False)), split


def _add_test_table(opened: OpenTable, test: OpenTable) -> OpenTable:
    """The rows of `data.source.path`, and those of `test_path` as its test set."""
    from pyspark.sql import functions as F

    if differing := set(opened.columns) ^ set(test.columns):
        raise DataError(
            "The tables data.source.path and test_path must have the same columns; only one of them "
            f"has {', '.join(sorted(differing))}."
        )
    marked = test.frame.withColumn(SPLIT, F.lit("test"))
    return replace(opened, frame=opened.frame.unionByName(marked))
