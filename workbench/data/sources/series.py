"""Series in a table with a row per step, cut into windows to classify or to forecast from."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from nets.config import config
from nets.errors import ConfigError
from nets.spec import TensorSpec
from workbench.data.canonical import CanonicalFrame, Forecast
from workbench.data.rows import add_keys, broken_reason, class_names, index_of, read_table
from workbench.data.sources.paths import find_path
from workbench.data.windows import Cut, cut_windows, find_short_stretches
from workbench.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import Column, DataFrame, SparkSession


@config
class SeriesSource:
    """Rows (entity, time, channels) cut into windows; split by time or by entity (data.split.by)."""

    kind: Literal["series"] = "series"
    path: str
    """The table: a file, or a folder of files."""
    format: Literal["csv", "json", "parquet"] = "csv"
    """csv (with a header), json (an object a line) or parquet."""
    time_column: str = "time"
    """Column of the time: numbers, dates or timestamps. Times as text are read without a time zone."""
    entity_column: str | None = None
    """Column of the entity (a patient, a machine) whose row it is; None: one series."""
    channels: tuple[str, ...] = ()
    """Columns with measured values, in this order; (): all but time, entity and label."""
    label_column: str | None = None
    """Classify: the column with the class; a window has that of its last step."""
    targets: tuple[str, ...] = ()
    """Forecast: the channels to predict over the horizon."""
    length: int = Field(default=64, ge=1)
    """Steps of a window."""
    stride: int = Field(default=1, ge=1)
    """Steps from the beginning of a window to that of the next one."""
    horizon: int = Field(default=1, ge=1)
    """Forecast: steps after the window that are predicted."""
    gaps: Literal["break", "ignore"] = "break"
    """break: a window never contains neighbouring rows that are not one step apart; ignore: rows count as consecutive whatever their times."""
    step: float | None = Field(default=None, gt=0)
    """Time between rows, in seconds where times are clock times; None: the most frequent one of the data."""
    season: int | None = Field(default=None, ge=1)
    """Forecast: steps after which values repeat (24 for hours and days). A forecast that repeats the last season is recorded for comparison."""

    def __post_init__(self) -> None:
        if (self.label_column is None) == (not self.targets):
            raise ConfigError(
                "a series needs either a label_column (classes) or targets (a forecast), got "
                f"label_column {self.label_column!r} and targets {self.targets}."
            )
        if self.channels and not set(self.targets) <= set(self.channels):
            raise ConfigError(f"targets must be channels {self.channels}, got {self.targets}.")
        if self.season is not None and self.season > self.length:
            raise ConfigError(
                f"season must be within a window's length {self.length}, got {self.season}."
            )
        if self.gaps == "ignore" and self.step is not None:
            raise ConfigError(
                f"step says where a series breaks, got {self.step} with gaps 'ignore'. Set gaps "
                "to break, or step to null."
            )


def read(source: SeriesSource, spark: SparkSession) -> CanonicalFrame:
    """Complete rows with their time; windows are cut once the rows are split (`CanonicalFrame.encode`).

    Bad rows, with the reason, are: rows without a time, an entity or a class; values that are missing,
    no number, or not finite; copies of a row; all rows of one entity and time that differ. A bad row
    leaves a gap. A stretch between gaps is bad if it is shorter than a window and its horizon.

    Raises:
        DataError: the table or a column is missing, or no column is left for a channel.
    """
    from pyspark.sql import functions as F

    path = find_path(source.path, "a table of series, a row per step")
    rows, channels = _read(source, path, spark)
    # Persisted: steps, splits, windows and bad rows are all read from it.
    marked = _mark_bad_rows(rows, channels).persist()
    good = marked.where("reason is null")
    names = None if source.label_column is None else class_names(good, "class")
    if names is not None:
        good = good.withColumn("label", index_of(F.col("class"), names))
    label = [] if names is None else ["label"]
    step = None if source.gaps == "ignore" else source.step or _usual_step(good, path)
    cut = Cut(
        channels=tuple(f"c{i}" for i in range(len(channels))),
        targets=tuple(channels.index(name) for name in source.targets),
        length=source.length,
        horizon=source.horizon if source.targets else 0,
        stride=source.stride,
        step=step,
    )
    forecast = Forecast(targets=cut.targets, horizon=cut.horizon, season=source.season)
    return CanonicalFrame(
        frame=good.select("group", "time", "clock", "key", "split", *label, *cut.channels),
        spec=TensorSpec(kind="series", shape=(source.length, len(channels))),
        labels=names,
        num_outputs=len(names) if names is not None else source.horizon * len(source.targets),
        bad=marked.where("reason is not null").select("key", "reason"),
        encode=lambda canonical: _encode(canonical, cut),
        forecast=forecast if source.targets else None,
        decoded=marked,
        official_test=False,
    )


def _read(
    source: SeriesSource, path: Path, spark: SparkSession
) -> tuple[DataFrame, tuple[str, ...]]:
    """Columns group, time, clock, class, c0..., split (null), reason; and the channels' names."""
    from pyspark.sql import functions as F

    others = {"time_column": source.time_column}
    if source.entity_column is not None:
        others["entity_column"] = source.entity_column
    if source.label_column is not None:
        others["label_column"] = source.label_column
    named = {f"channels.{i}": name for i, name in enumerate(source.channels)}
    named |= {f"targets.{i}": name for i, name in enumerate(source.targets)}
    table = read_table(spark, path, source.format, others | named, "UTF-8", everything=True)
    channels = source.channels or tuple(
        name for name in table.columns if name not in (*others.values(), "_broken")
    )
    if not channels:
        raise DataError(
            f"{path} has no column left for a channel. Name some in data.source.channels."
        )
    clock = F.col(f"`{source.time_column}`")
    entity = F.col(f"`{source.entity_column}`") if source.entity_column else F.lit("series")
    label = F.col(f"`{source.label_column}`") if source.label_column else F.lit("")
    raw = [F.col(f"`{name}`") for name in channels]
    time = _seconds(source.time_column, dict(table.dtypes)[source.time_column])
    reason = F.coalesce(
        broken_reason(),
        F.when(entity.isNull(), "no entity"),
        F.when(label.isNull(), "no class"),
        F.when(time.isNull(), _explain("no time", clock)),
        *(_not_a_number(name, value) for name, value in zip(channels, raw, strict=True)),
    )
    rows = table.select(
        entity.cast("string").alias("group"),
        time.alias("time"),
        clock.cast("string").alias("clock"),
        label.cast("string").alias("class"),
        *(value.cast("float").alias(f"c{i}") for i, value in enumerate(raw)),
        F.lit(None).cast("string").alias("split"),
        reason.alias("reason"),
    )
    return rows, channels


def _seconds(name: str, kind: str) -> Column:
    """A time as a double: numbers as they are, clock times as seconds since 1970."""
    from pyspark.sql import functions as F

    if kind == "timestamp":
        return F.unix_micros(F.col(f"`{name}`")) / 1e6
    # Every clock is read as UTC: in a zone with summer time, an hour would be missing and another one
    # double. (Spark would subtract times without a zone in the session's zone.)
    clock = F.col(f"`{name}`").cast("timestamp_ntz").cast("string")
    micros = F.unix_micros(F.concat(clock, F.lit("Z")).cast("timestamp"))
    if kind in ("timestamp_ntz", "date"):
        return micros / 1e6
    number = F.col(f"`{name}`").cast("double")
    return F.coalesce(number, micros / 1e6) if kind == "string" else number


def _not_a_number(name: str, value: Column) -> Column:
    from pyspark.sql import functions as F

    number = value.cast("float")
    not_finite = F.isnan(number) | (F.abs(number) == float("inf"))
    return F.when(value.isNull(), F.lit(f"{name} is missing")).when(
        number.isNull() | not_finite, _explain(f"{name} is no finite number", value)
    )


def _explain(what: str, value: Column) -> Column:
    from pyspark.sql import functions as F

    shown = F.coalesce(F.substring(value.cast("string"), 1, 40), F.lit("null"))
    return F.concat(F.lit(f"{what}: "), shown)


def _mark_bad_rows(rows: DataFrame, channels: tuple[str, ...]) -> DataFrame:
    """Rows with keys and reasons. Of rows with one entity and time, at most one stays good."""
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    content = [
        F.coalesce(F.col(name).cast("string"), F.lit(""))
        for name in ("group", "clock", "class", "reason")
    ]
    values = [F.col(f"c{i}") for i in range(len(channels))]
    rows = add_keys(rows, F.lit("row"), *content, *values)
    same_time = Window.partitionBy("group", "time", F.col("reason").isNull())
    digest = F.xxhash64("class", *values)
    differ = F.min(digest).over(same_time) != F.max(digest).over(same_time)
    first = F.min("key").over(same_time) == F.col("key")
    reason = (
        F.when(F.col("reason").isNotNull(), F.col("reason"))
        .when(differ, "rows of one time that differ")
        .when(~first, "a row that is there twice")
    )
    named = F.concat(F.coalesce("group", F.lit("?")), F.lit("@"), F.coalesce("clock", F.lit("?")))
    return rows.withColumn("reason", reason).withColumn("key", named)


def _usual_step(good: DataFrame, path: Path) -> float:
    """The most frequent time from a row to the next one."""
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    before = F.lag("time").over(Window.partitionBy("group").orderBy("time"))
    between = good.select(F.round(F.col("time") - before, 6).alias("step")).where(
        "step is not null"
    )
    usual = between.groupBy("step").count().orderBy(F.desc("count"), "step").first()
    if usual is None:
        raise DataError(
            f"{path} must have at least two good rows of one series, got none. Does "
            "data.source.entity_column differ in every row?"
        )
    return float(usual["step"])


def _encode(canonical: CanonicalFrame, cut: Cut) -> CanonicalFrame:
    """Windows within each entity and split; stretches that are too short become bad rows."""
    ordered = (
        canonical.frame.drop("key")
        .repartition("group", "split")
        .sortWithinPartitions("group", "split", "time")
    )
    label = "array<float>" if canonical.labels is None else "long"
    frame = ordered.mapInArrow(
        lambda batches: cut_windows(batches, cut),
        f"features binary, label {label}, key string, split string, `group` string, time double",
    )
    short = ordered.mapInArrow(
        lambda batches: find_short_stretches(batches, cut), "key string, reason string"
    )
    assert canonical.bad is not None
    return replace(canonical, frame=frame, bad=canonical.bad.union(short))
