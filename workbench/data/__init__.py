"""From a source to the canonical DataFrame, split and measured; all of it done by Spark."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from workbench.data.config import DataConfig
from workbench.data.fingerprint import fingerprint
from workbench.data.frames import from_dataframe
from workbench.data.sources import read
from workbench.data.split import check, split
from workbench.data.statistics import fit_statistics
from workbench.data.table import Table
from workbench.errors import DataError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = [
    "DataConfig",
    "Table",
    "fingerprint",
    "fit_statistics",
    "from_dataframe",
    "load",
    "record",
]

_BAD_SHOWN = 20


def load(config: DataConfig, spark: SparkSession) -> Table:
    """Read a source and say which split each row is in.

    Raises:
        DataError: the source cannot be read.
    """
    table = read(config.source, spark)
    return replace(
        table, frame=split(table.frame, config.split, stratified=table.labels is not None)
    )


def record(table: Table, config: DataConfig) -> dict[str, Any]:
    """Counts of a loaded table, for the run: this is where Spark does the reading.

    Raises:
        DataError: a split is empty, a class has no training rows, or more than
            `config.max_bad_share` of the rows are bad.
    """
    counts = _class_counts(table)
    good = sum(sum(rows) for rows in counts.values())
    bad = _bad(table)
    if bad["rows"] > config.max_bad_share * (good + bad["rows"]):
        shown = "; ".join(f"{row['key']}: {row['reason']}" for row in bad["examples"][:3])
        raise DataError(
            f"{bad['rows']} of {good + bad['rows']} rows are bad, more than data.max_bad_share "
            f"{config.max_bad_share:g} allows: {shown}. Mend or remove them, or raise the share."
        )
    check(counts, table.labels, config.split)
    return {
        "class_counts": counts if table.labels is not None else {},
        "rows": {name: sum(rows) for name, rows in counts.items()},
        "bad": bad,
        "partitions": table.frame.rdd.getNumPartitions(),
    }


def _class_counts(table: Table) -> dict[str, list[int]]:
    if table.labels is None:
        return {
            row["split"]: [row["count"]] for row in table.frame.groupBy("split").count().collect()
        }
    counts: dict[str, list[int]] = {}
    for row in table.frame.groupBy("split", "label").count().collect():
        counts.setdefault(row["split"], [0] * len(table.labels))[row["label"]] = row["count"]
    return counts


def _bad(table: Table) -> dict[str, Any]:
    if table.bad is None:
        return {"rows": 0, "examples": []}
    examples = [row.asDict() for row in table.bad.limit(_BAD_SHOWN).collect()]
    rows = table.bad.count() if len(examples) == _BAD_SHOWN else len(examples)
    return {"rows": rows, "examples": examples}
