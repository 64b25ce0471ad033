"""The assignment of rows to the training, validation and test split."""

from __future__ import annotations

from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING

from workbench.data.canonical import CanonicalFrame
from workbench.data.ranks import find_places
from workbench.errors import DataError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from workbench.data.config import SplitConfig


def draw_splits(
    frame: DataFrame,
    config: SplitConfig,
    *,
    stratified: bool = True,
    official_test: bool | None = None,
    official_validation: bool = False,
) -> DataFrame:
    """Fill the column `split` where the source left it empty.

    by rows: within each class, rows are ranked by a hash of their key and the seed. The first ones
    are the test split, the next ones validation. The result depends on keys, labels and seed, not on
    partitions. The shares of each class are exact to one row. Rows with the same key come into the
    same split. Spark counts the rows by their hashes now; none is moved.

    by group: the same for groups in place of rows. A group has the lowest label of its rows; the
    shares are shares of the groups.

    by time: the last rows are the test split, those before them validation. Rows of one moment stay
    together, so the shares are exact to the rows of one moment.

    A split that is official is not drawn. Folds take the place of an official validation split: its
    rows are drawn from again.

    Args:
        frame: columns key, label, split (the name of an official split, else null); group
            (string) or time (number) to split by them.
        stratified: rank within each label; False where labels are measured values.
        official_test: whether some row's split is "test"; None: a Spark job finds out, for
            validation too.
        official_validation: whether some row's split is "validation".

    Raises:
        DataError: the column to split by is missing.
    """
    from pyspark.sql import functions as F

    if config.by not in ("rows", *frame.columns):
        raise DataError(
            f"data.split.by {config.by!r} needs rows that have a {config.by}, and this source has "
            f"none. Name its {config.by} column in data.source, or set data.split.by to rows."
        )
    official = official_test
    if official is None:
        named = _read_names(frame)
        official, official_validation = "test" in named, "validation" in named
    if config.folds and official_validation:
        frame = frame.withColumn("split", F.when(F.col("split") != "validation", F.col("split")))
    elif official_validation:
        config = replace(config, validation=0.0)
    test = 0.0 if official else config.test
    if config.by == "time":
        return _split_by_time(frame, config, test)
    if config.by == "rows":
        return _split_by_rank(frame, config, test, official, stratified)
    label = F.min("label") if stratified else F.lit(0)
    members = frame.where(F.col("split").isNull()).groupBy("group").agg(label.alias("label"))
    groups = members.select(
        "label", F.col("group").alias("key"), F.lit(None).cast("string").alias("split")
    )
    drawn = _split_by_rank(groups, config, test, official, stratified).select(
        F.col("key").alias("group"), F.col("split").alias("drawn")
    )
    chosen = F.coalesce("split", "drawn")
    return frame.join(drawn, "group", "left").withColumn("split", chosen).drop("drawn")


def _split_by_rank(
    frame: DataFrame, config: SplitConfig, test: float, official: bool, stratified: bool
) -> DataFrame:
    from pyspark.sql import functions as F

    stratum = F.col("label") if stratified else F.lit(0)
    # The key decides ties of the 64-bit hash; the order of arrival must not.
    hashed = F.xxhash64("key", F.lit(config.seed))
    open_rows = frame.where(F.col("split").isNull()).select(
        stratum.alias("stratum"), hashed.alias("hash"), "key"
    )
    edges = find_places(open_rows, lambda size: _find_edges(size, config, test, official))
    # A few values per class are sent to every row: the rows themselves are not shuffled.
    place = "struct<hash: long, key: string>"
    kind = open_rows.schema["stratum"].dataType.simpleString()
    bounds = frame.sparkSession.createDataFrame(
        [(each, *places) for each, places in edges.items()],
        f"_stratum {kind}, {', '.join(f'{name} {place}' for name in _EDGES)}",
    )
    with_edges = frame.withColumn("_stratum", stratum).join(F.broadcast(bounds), "_stratum", "left")
    place = F.struct(hashed.alias("hash"), F.col("key"))
    chosen = (
        F.when(F.col("split").isNotNull(), F.col("split"))
        .when(place <= F.col("_test_last"), "test")
        .when((place >= F.col("_first")) & (place <= F.col("_last")), "validation")
        .otherwise("train")
    )
    return with_edges.withColumn("split", chosen).drop("_stratum", *_EDGES)


_EDGES = ("_test_last", "_first", "_last")
"""The last place of the test split, the first and the last one of validation."""


def _find_edges(size: int, config: SplitConfig, test: float, official: bool) -> list[int]:
    """The ranks of the edges in a class of so many rows, from 1; 0: there is none."""
    num_test = min(size, _count_share(test, size))
    rest = size - num_test
    if config.folds:
        # Consecutive ranks: every row is in one fold, and folds differ by one row at most.
        first, last = (-(-fold * rest // config.folds) for fold in (config.fold, config.fold + 1))
    else:
        first, last = 0, min(rest, _count_share(config.validation, rest if official else size))
    return [num_test, *((num_test + first + 1, num_test + last) if first < last else (0, 0))]


def _count_share(share: float, size: int) -> int:
    """That share of `size` rows, rounded; at least one unless the share is 0."""
    rounded = Decimal(str(share * size)).to_integral_value(ROUND_HALF_UP)
    return max(1, int(rounded)) if share else 0


def _split_by_time(frame: DataFrame, config: SplitConfig, test: float) -> DataFrame:
    from pyspark.sql import functions as F

    last = [1 - config.validation - test, 1 - test]
    ends = [F.expr(f"percentile_disc({share!r}) WITHIN GROUP (ORDER BY time)") for share in last]
    train_end, validation_end = frame.where(F.col("split").isNull()).agg(*ends).collect()[0]
    chosen = (
        F.when(F.col("split").isNotNull(), F.col("split"))
        .when(F.col("time") <= F.lit(train_end), "train")
        .when(F.col("time") <= F.lit(validation_end), "validation")
        .otherwise("test")
    )
    return frame.withColumn("split", chosen)


def find_official_splits(canonical: CanonicalFrame) -> CanonicalFrame:
    """The same with `official_test` and `official_validation` set; a Spark job reads them if needed."""
    if canonical.official_test is not None:
        return canonical
    named = _read_names(canonical.frame)
    return replace(
        canonical, official_test="test" in named, official_validation="validation" in named
    )


def _read_names(frame: DataFrame) -> set[str | None]:
    return {row[0] for row in frame.select("split").distinct().collect()}


def check_splits(
    counts: dict[str, list[int]], labels: tuple[str, ...] | None, config: SplitConfig
) -> None:
    """Refuse splits that a net cannot be trained or evaluated on.

    Args:
        counts: rows of each class, by split (one number where there are no classes).

    Raises:
        DataError: a split with a share above 0 is empty, or a class has no training row.
    """
    shares = (("validation", config.validation or config.folds), ("test", config.test))
    required = ["train"] + [name for name, share in shares if share]
    for name in required:
        if not sum(counts.get(name, [])):
            raise DataError(
                f"The {name} split is empty ({_describe_counts(counts)}). Give the source more rows, or set "
                f"data.split.{'validation' if name == 'train' else name} to another share."
            )
    if labels is None:
        return
    missing = find_missing_classes(counts, labels).get("train", [])
    if missing:
        few = ", ".join(f"{name!r} ({_total(counts, labels, name)} rows)" for name in missing[:5])
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        raise DataError(
            f"Every class needs a row to train on beside those held out; {few}{more} has none left. "
            "Add samples of it, leave the class out, or hold out less (data.split)."
        )


def find_missing_classes(
    counts: dict[str, list[int]], labels: tuple[str, ...] | None
) -> dict[str, list[str]]:
    """Classes without a row in a split, by split; a split's metrics leave them out."""
    if labels is None:
        return {}
    missing = {
        part: [name for name, num in zip(labels, rows, strict=True) if not num]
        for part, rows in counts.items()
    }
    return {part: names for part, names in missing.items() if names}


def _total(counts: dict[str, list[int]], labels: tuple[str, ...], name: str) -> int:
    return sum(rows[labels.index(name)] for rows in counts.values())


def _describe_counts(counts: dict[str, list[int]]) -> str:
    return ", ".join(f"{name}: {sum(rows)} rows" for name, rows in counts.items()) or "no rows"
