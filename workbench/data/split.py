"""Which rows are trained on and which are held out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.data.config import SplitConfig
from workbench.errors import DataError

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame


def split(frame: DataFrame, config: SplitConfig, *, stratified: bool = True) -> DataFrame:
    """Fill the column `split` where the source left it empty.

    Within each class, rows are ranked by a hash of their key and the seed; the first shares are
    test and validation. The result depends on keys, labels and seed only, never on partitions,
    and the shares of each class are exact to one row.

    Args:
        frame: columns key, label, split ("test" for an official test set, else null).
        stratified: rank within each label; False where labels are measured values.

    Raises:
        DataError: a class is too small to be in every split, or a split would be empty.
    """
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    official = frame.where(F.col("split") == "test").limit(1).count() > 0
    test = 0.0 if official else config.test
    group = [F.col("label")] if stratified else [F.lit(0)]
    open_rows = Window.partitionBy(*group, F.col("split").isNull())
    # Two hashes: a tie in 64 bits alone would be broken by the order of arrival.
    order = (F.xxhash64("key", F.lit(config.seed)), F.col("key"))
    rank = F.row_number().over(open_rows.orderBy(*order))
    size = F.count(F.lit(1)).over(open_rows)
    num_test = _rows(test, size)
    num_held = num_test + _rows(config.validation, size - num_test if official else size)
    chosen = (
        F.when(F.col("split").isNotNull(), F.col("split"))
        .when(rank <= num_test, "test")
        .when(rank <= num_held, "validation")
        .otherwise("train")
    )
    return frame.withColumn("split", chosen)


def _rows(share: float, size: Column) -> Column:
    """That share of `size` rows, rounded, and at least one where the share is not 0."""
    from pyspark.sql import functions as F

    if share == 0:
        return F.lit(0)
    return F.greatest(F.lit(1), F.round(F.lit(share) * size))


def check(
    counts: dict[str, list[int]], labels: tuple[str, ...] | None, config: SplitConfig
) -> None:
    """Refuse splits that cannot be trained or judged on.

    Args:
        counts: split to rows of each class (one number where there are no classes).

    Raises:
        DataError: a split that was asked for is empty, or a class has no training row.
    """
    wanted = ["train"] + [name for name in ("validation", "test") if getattr(config, name)]
    for name in wanted:
        if not sum(counts.get(name, [])):
            raise DataError(
                f"The {name} split is empty ({_shown(counts)}). Give the source more rows, or set "
                f"data.split.{'validation' if name == 'train' else name} to another share."
            )
    if labels is None:
        return
    missing = [label for label, rows in zip(labels, counts["train"], strict=True) if rows == 0]
    if missing:
        raise DataError(
            f"Every class needs rows in every split; {', '.join(map(repr, missing[:5]))} has none "
            "left to train on. Add samples of it, leave the class out, or hold out less."
        )


def _shown(counts: dict[str, list[int]]) -> str:
    return ", ".join(f"{name}: {sum(rows)} rows" for name, rows in counts.items()) or "no rows"
