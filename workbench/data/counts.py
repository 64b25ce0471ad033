"""Counts by Spark, for the run's record: rows, classes, bad rows, a hash of the content."""

from __future__ import annotations

import math
from typing import Any

from nets.config import to_dict
from workbench.data.canonical import CanonicalFrame
from workbench.data.config import DataConfig
from workbench.data.encode import SPLITS
from workbench.data.split import check_splits, find_missing_classes
from workbench.errors import DataError
from workbench.spark_session import count_partitions

_BAD_SHOWN = 20
_FEW_ROWS = 20
"""With fewer rows, classes of one row are likely."""


def record(canonical: CanonicalFrame, config: DataConfig) -> dict[str, Any]:
    """Counts of loaded rows, for the run. Spark reads the source here.

    `content` is a hash of all good rows that does not depend on their order or partitions: two runs
    with the same one used the same samples, labels and keys in the same splits.

    Raises:
        DataError: a split is empty, a class has no training rows, or more than
            `config.max_bad_share` of the rows are bad.
    """
    summary = summarize(canonical, config)
    refuse(summary, canonical.labels, config)
    return summary


def refuse(summary: dict[str, Any], labels: tuple[str, ...] | None, config: DataConfig) -> None:
    """Refuse data that cannot be trained on.

    Args:
        summary: from `summarize`.

    Raises:
        DataError: as `record` does.
    """
    bad, good = summary["bad"], sum(summary["rows"].values())
    if bad["rows"] > config.max_bad_share * (good + bad["rows"]):
        shown = "; ".join(f"{row['key']}: {row['reason']}" for row in bad["examples"][:3])
        raise DataError(
            f"{bad['rows']} of {good + bad['rows']} rows are bad, more than data.max_bad_share "
            f"{config.max_bad_share:g} allows: {shown}. Repair or remove them, or raise the share: "
            f"--set data.max_bad_share={_round_up(bad['rows'] / (good + bad['rows']))}."
        )
    if labels is not None and len(labels) < 2:
        raise DataError(
            f"There is one class, {', '.join(labels)}: a net cannot learn to tell classes apart from it. "
            "Name the column or the folders that hold the classes (data.source)."
        )
    if labels is not None and good >= _FEW_ROWS and 2 * len(labels) > good:
        raise DataError(
            f"There are {len(labels)} classes in {good} rows, such as {labels[0]!r}, and most of them have one "
            "row. Is that a text or a name of the row? Name the column or the folders that hold the classes "
            "(data.source)."
        )
    counts = summary["class_counts"] or {name: [rows] for name, rows in summary["rows"].items()}
    check_splits(counts, labels, config.split)


def _round_up(share: float) -> float:
    """To two digits after the point."""
    return min(1.0, math.floor(share * 100 + 1) / 100)


def summarize(canonical: CanonicalFrame, config: DataConfig) -> dict[str, Any]:
    """The figures of `record`; nothing is refused."""
    counts, content = _count_classes(canonical)
    return {
        "class_counts": counts if canonical.labels is not None else {},
        "missing_classes": find_missing_classes(counts, canonical.labels),
        "rows": {name: sum(rows) for name, rows in counts.items()},
        "bad": _count_bad_rows(canonical),
        "split": to_dict(config.split),
        "decided": list(canonical.decided),
        "official_splits": _list_official_splits(canonical, config),
        "content": content,
        **({} if canonical.plan is None else {"plan": canonical.plan}),
        **_measure(canonical),
        "partitions": count_partitions(canonical.frame),
    }


def _count_classes(canonical: CanonicalFrame) -> tuple[dict[str, list[int]], str]:
    """Rows of each class by split (one number where there are no classes), and the content's hash."""
    from pyspark.sql import functions as F

    names = ("features", "label", "key", "split", "length", "weight")
    columns = [name for name in names if name in canonical.frame.columns]
    classes = ["label"] if canonical.labels is not None else []
    # Equal rows cancel out in pairs in the xor, and sums alone could be forged. The sum is of
    # decimals: 64-bit integers would overflow.
    digest = F.xxhash64(*columns)
    figures = (
        F.count(F.lit(1)).alias("rows"),
        F.bit_xor(digest).alias("xor"),
        F.sum(digest.cast("decimal(20,0)")).alias("sum"),
    )
    counts: dict[str, list[int]] = {}
    xor, total = 0, 0
    for row in canonical.frame.groupBy("split", *classes).agg(*figures).collect():
        of_classes = counts.setdefault(row["split"], [0] * len(canonical.labels or [""]))
        of_classes[row["label"] if classes else 0] = row["rows"]
        xor, total = xor ^ row["xor"], total + int(row["sum"])
    content = f"{xor & (2**64 - 1):016x}{total & (2**64 - 1):016x}"
    return {name: counts[name] for name in SPLITS if name in counts}, content


def _list_official_splits(canonical: CanonicalFrame, config: DataConfig) -> list[str]:
    validation = canonical.official_validation and not config.split.folds
    names = (("validation", validation), ("test", canonical.official_test))
    return [name for name, official in names if official]


def _measure(canonical: CanonicalFrame) -> dict[str, Any]:
    if not canonical.measures:
        return {}
    columns = [column.alias(name) for name, column in canonical.measures.items()]
    measured: dict[str, Any] = canonical.frame.agg(*columns).collect()[0].asDict()
    return measured


def _count_bad_rows(canonical: CanonicalFrame) -> dict[str, Any]:
    if canonical.bad is None:
        return {"rows": 0, "examples": []}
    examples = [row.asDict() for row in canonical.bad.limit(_BAD_SHOWN).collect()]
    rows = canonical.bad.count() if len(examples) == _BAD_SHOWN else len(examples)
    return {"rows": rows, "examples": examples}
