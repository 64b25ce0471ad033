"""From a source to the canonical DataFrame, split and measured; all of it done by Spark."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from nets.config import to_dict
from workbench.data.config import DataConfig, SplitConfig
from workbench.data.fingerprint import content_fingerprint, fingerprint
from workbench.data.frames import from_dataframe
from workbench.data.sources import read
from workbench.data.split import absent, check, split
from workbench.data.statistics import fit_statistics
from workbench.data.table import Table
from workbench.errors import DataError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = [
    "DataConfig",
    "Table",
    "content_fingerprint",
    "fingerprint",
    "fit_statistics",
    "from_dataframe",
    "load",
    "placed",
    "read",
    "record",
]

_BAD_SHOWN = 20


def load(config: DataConfig, spark: SparkSession) -> Table:
    """Read a source, say which split each row is in, and encode what depends on the split.

    Raises:
        DataError: the source cannot be read, or not be split as asked.
    """
    return placed(read(config.source, spark), config.split)


def placed(table: Table, config: SplitConfig) -> Table:
    """Say which split each row is in, where the source did not, and encode what depends on it.

    Raises:
        DataError: the rows cannot be split as asked.
    """
    frame = split(
        table.frame,
        config,
        stratified=table.labels is not None,
        official_test=table.official_test,
    )
    table = replace(table, frame=frame)
    return table.encode(table) if table.encode else table


def record(table: Table, config: DataConfig) -> dict[str, Any]:
    """Counts of a loaded table, for the run: this is where Spark does the reading.

    `content` is a hash of all good rows, in whatever order and partitions: two runs with the same
    one have seen the same samples, labels and keys in the same splits.

    Raises:
        DataError: a split is empty, a class has no training rows, or more than
            `config.max_bad_share` of the rows are bad.
    """
    counts, content = _counted(table)
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
        "missing_classes": absent(counts, table.labels),
        "rows": {name: sum(rows) for name, rows in counts.items()},
        "bad": bad,
        "split": to_dict(config.split),
        "content": content,
        **({} if table.plan is None else {"plan": table.plan}),
        **_measured(table),
        "partitions": table.frame.rdd.getNumPartitions(),
    }


def _counted(table: Table) -> tuple[dict[str, list[int]], str]:
    """Rows of each class by split (one number where there are no classes), and the content's hash."""
    from pyspark.sql import functions as F

    held = ("features", "label", "key", "split", "length", "weight")
    columns = [name for name in held if name in table.frame.columns]
    classes = ["label"] if table.labels is not None else []
    # Either alone could collide on purpose or by pairs; sums wrap in 64 bits as decimals do not.
    digest = F.xxhash64(*columns)
    figures = (
        F.count(F.lit(1)).alias("rows"),
        F.bit_xor(digest).alias("xor"),
        F.sum(digest.cast("decimal(20,0)")).alias("sum"),
    )
    counts: dict[str, list[int]] = {}
    xor, total = 0, 0
    for row in table.frame.groupBy("split", *classes).agg(*figures).collect():
        of_classes = counts.setdefault(row["split"], [0] * len(table.labels or [""]))
        of_classes[row["label"] if classes else 0] = row["rows"]
        xor, total = xor ^ row["xor"], total + int(row["sum"])
    content = f"{xor & (2**64 - 1):016x}{total & (2**64 - 1):016x}"
    return counts, content


def _measured(table: Table) -> dict[str, Any]:
    if not table.measures:
        return {}
    columns = [column.alias(name) for name, column in table.measures.items()]
    measured: dict[str, Any] = table.frame.agg(*columns).collect()[0].asDict()
    return measured


def _bad(table: Table) -> dict[str, Any]:
    if table.bad is None:
        return {"rows": 0, "examples": []}
    examples = [row.asDict() for row in table.bad.limit(_BAD_SHOWN).collect()]
    rows = table.bad.count() if len(examples) == _BAD_SHOWN else len(examples)
    return {"rows": rows, "examples": examples}
