"""Series in a table with a row per step, cut into windows to classify or to forecast from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from nets.config import config
from nets.errors import ConfigError
from nets.spec import TensorSpec
from workbench.data.calendars import Calendar, find_calendar
from workbench.data.canonical import CanonicalFrame, Forecast
from workbench.data.columns import quote
from workbench.data.csv_config import CsvConfig
from workbench.data.rows import (
    BROKEN,
    add_keys,
    broken_reason,
    class_names,
    index_of,
    open_splits,
)
from workbench.data.sources.open_table import SPLIT, OpenTable, mark_splits, open_table
from workbench.data.sources.series_channels import (
    explain,
    find_channels,
    not_a_number,
    value_of,
)
from workbench.data.times import (
    TimeForm,
    find_time_form,
    join_parts,
    seconds_of,
    split_name,
)
from workbench.data.windows import Cut, cut_windows, find_short_stretches
from workbench.errors import DataError

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession


@config
class SeriesSource:
    """Rows (entity, time, channels) cut into windows; split by time or by entity (data.split.by)."""

    kind: Literal["series"] = "series"
    path: str
    """The table: a file, or a folder of files."""
    format: Literal["csv", "json", "parquet"] = "csv"
    """csv (and TSV), json (an object a line) or parquet."""
    time_column: str = "time"
    """Column of the time: numbers, dates or timestamps; several joined by +, as Date+Time or year+month+day+hour, are one time. Text with an offset (+02:00) is an instant; without one, it is read as it stands on the clock."""
    time_format: str | None = None
    """How times that are text are written, as Python's strptime takes it (%d/%m/%Y %H:%M); None: found from the rows."""
    entity_column: str | None = None
    """Column of the entity (a patient, a machine) whose row it is; None: one series."""
    channels: tuple[str, ...] = ()
    """Columns with measured values, in this order; (): all columns of numbers but those of other settings and those that only count the rows."""
    group_column: str | None = None
    """Column whose equal values stay together where data.split.by is group (a patient with several series); None: the entity."""
    split_column: str | None = None
    """Column of train, validation, test or null, in any usual spelling; None: a column named split, set, ... where its values are names of splits."""
    named_splits: bool = True
    """Whether names of files, folders and columns say the splits (train.csv, test/); False: they are drawn."""
    csv: CsvConfig = CsvConfig()
    """csv: how the files are written."""
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
    """Time between rows, in seconds where times are clock times (months with calendar months); None: the most frequent one of the data."""
    calendar: Literal["even", "business_days", "months"] | None = None
    """What follows on one another. even: rows one step of time apart; business_days: Friday and Monday too; months: the months of the calendar, however long; None: found from the dates."""
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

    path = Path(source.path)
    rows, channels, opened, is_clock = _read(source, spark)
    # Persisted: steps, splits, windows and bad rows are all read from it.
    marked = _mark_bad_rows(rows, channels).persist()
    good = marked.where("reason is null")
    _refuse_without_good_rows(marked, source)
    named = _read_split_names(opened)
    names = None if source.label_column is None else class_names(good, "class")
    if names is not None:
        good = good.withColumn("label", index_of(F.col("class"), names))
    label = [] if names is None else ["label"]
    step, calendar, said = _find_step(source, good, path, is_clock)
    cut = Cut(
        channels=tuple(f"c{i}" for i in range(len(channels))),
        targets=tuple(channels.index(name) for name in source.targets),
        length=source.length,
        horizon=source.horizon if source.targets else 0,
        stride=source.stride,
        step=step,
        calendar=calendar,
    )
    forecast = Forecast(targets=cut.targets, horizon=cut.horizon, season=source.season)
    return CanonicalFrame(
        frame=good.select(
            "group", "entity", "time", "clock", "key", "split", *label, *cut.channels
        ),
        spec=TensorSpec(kind="series", shape=(source.length, len(channels))),
        labels=names,
        num_outputs=len(names) if names is not None else source.horizon * len(source.targets),
        bad=marked.where("reason is not null").select("key", "reason"),
        encode=lambda canonical: _encode(canonical, cut),
        forecast=forecast if source.targets else None,
        decoded=marked,
        official_test="test" in named,
        official_validation="validation" in named,
        decided=(*opened.decided, *said),
        feature_names=channels,
    )


def _refuse_without_good_rows(marked: DataFrame, source: SeriesSource) -> None:
    """
    Raises:
        DataError: no row is good; the message shows the most frequent reasons.
    """
    from pyspark.sql import functions as F

    if marked.where("reason is null").limit(1).count():
        return
    rows = marked.groupBy("reason").count().orderBy(F.desc("count"), "reason").limit(3).collect()
    if not rows:
        raise DataError(f"{source.path} has no rows.")
    shown = "; ".join(f"{row['reason']} ({row['count']} rows)" for row in rows)
    way = ""
    if any(row["reason"].startswith("no time") for row in rows):
        way = (
            " Say how times are written with --set data.source.time_format=%d/%m/%Y (Python's "
            "strptime), or name another column with data.source.time_column."
        )
    raise DataError(f"{source.path} has no good row: {shown}.{way}")


def _read(
    source: SeriesSource, spark: SparkSession
) -> tuple[DataFrame, tuple[str, ...], OpenTable, bool]:
    """Columns group, entity, time, clock, class, c0..., split, reason; the channels' names; the table
    with what was decided; and whether times are clock times."""
    from pyspark.sql import functions as F

    settings = ("time_column", "entity_column", "label_column", "group_column", "split_column")
    others = {name: value for name in settings if (value := getattr(source, name))}
    parts = split_name(source.time_column)
    others |= {f"time_column{'+' * i}": part for i, part in enumerate(parts)}
    named = {f"channels.{i}": name for i, name in enumerate(source.channels)}
    named |= {f"targets.{i}": name for i, name in enumerate(source.targets)}
    opened, split = mark_splits(
        open_table(
            spark,
            source.path,
            source.format,
            source.csv,
            others | named,
            named_splits=source.named_splits,
            as_text=True,
            what="a table of series, a row per step",
            flat=True,
        ),
        source.split_column,
        by_name=source.named_splits,
    )
    if len(parts) > 1:
        joined = opened.frame.withColumn(source.time_column, join_parts(parts))
        sentence = f"Times: {', '.join(parts)} are put together."
        opened = replace(opened, frame=joined, decided=(*opened.decided, sentence))
    taken = {*others.values(), source.time_column, *([split] if split else [])}
    channels, profiles, said = find_channels(source.channels, source.targets, opened, taken)
    table, kinds = opened.frame, dict(opened.frame.dtypes)
    form = None
    if kinds[source.time_column] == "string":
        good = table.where(F.col(BROKEN).isNull())
        form = find_time_form(
            good, source.time_column, source.time_format, where="data.source.time_format"
        )
    elif source.time_format:
        said.append(f"data.source.time_format is not used: {source.time_column} is no text.")
    said += [form.describe(source.time_column)] if form else []
    clock = F.col(quote(source.time_column))
    entity = F.col(quote(source.entity_column)) if source.entity_column else F.lit("series")
    group = F.col(quote(source.group_column)) if source.group_column else entity
    label = F.col(quote(source.label_column)) if source.label_column else F.lit("")
    raw = [F.col(quote(name)) for name in channels]
    is_text = [kinds[name] == "string" for name in channels]
    values = [
        value_of(name, profiles[name], opened.decimal) if text else column
        for name, column, text in zip(channels, raw, is_text, strict=True)
    ]
    time = _seconds(source.time_column, kinds[source.time_column], form)
    reason = F.coalesce(
        broken_reason(),
        F.when(entity.isNull(), "no entity"),
        F.when(group.isNull(), "no group"),
        F.when(label.isNull(), "no class"),
        F.when(time.isNull(), explain("no time", clock)),
        *(
            not_a_number(name, column, value, opened.missing)
            for name, column, value in zip(channels, raw, values, strict=True)
        ),
    )
    names = _read_split_names(opened)
    rows = table.select(
        group.cast("string").alias("group"),
        entity.cast("string").alias("entity"),
        time.alias("time"),
        clock.cast("string").alias("clock"),
        label.cast("string").alias("class"),
        *(value.cast("float").alias(f"c{i}") for i, value in enumerate(values)),
        open_splits(F.col(SPLIT), names).alias("split"),
        reason.alias("reason"),
    )
    is_clock = form is not None or kinds[source.time_column] in (
        "timestamp",
        "timestamp_ntz",
        "date",
    )
    return rows, channels, replace(opened, decided=(*opened.decided, *said)), is_clock


def _read_split_names(opened: OpenTable) -> set[str | None]:
    if not opened.has_splits:
        return set()
    return {row[0] for row in opened.frame.select(SPLIT).distinct().collect()}


def _find_step(
    source: SeriesSource, good: DataFrame, path: Path, is_clock: bool
) -> tuple[float | None, Calendar, list[str]]:
    """Time from a row to the next one, what it counts, and what is to be said."""
    if source.gaps == "ignore":
        return None, "even", []
    if source.step is not None:
        return source.step, source.calendar or "even", []
    step, num_gaps = _usual_step(good, path)
    calendar: Calendar = "even"
    way = "--set data.source.calendar=even"
    if source.calendar is not None:
        calendar = source.calendar
        if calendar == "months":
            step = max(1.0, round(step / (30.4375 * 86_400)))
    elif is_clock:
        calendar, step = find_calendar(good, step)
    if calendar == "business_days":
        return (
            step,
            calendar,
            [f"Calendar: business days, Friday and Monday are one step apart ({way} undoes it)."],
        )
    if calendar == "months":
        return step, calendar, [f"Calendar: months, rows are {step:g} apart ({way} undoes it)."]
    said = [f"Step: rows are {step:g}{' s' if is_clock else ''} apart."]
    if num_gaps:
        said.append(
            f"Gaps: {num_gaps} rows are another time after the row before them; no window crosses that. "
            "--set data.source.gaps=ignore takes rows as consecutive; data.source.calendar knows "
            "business_days and months."
        )
    return step, calendar, said


def _seconds(name: str, kind: str, form: TimeForm | None) -> Column:
    """A time as a double: numbers as they are, clock times as seconds since 1970."""
    from pyspark.sql import functions as F

    if kind == "timestamp":
        return F.unix_micros(F.col(quote(name))) / 1e6
    # Every clock is read as UTC: in a zone with summer time, an hour would be missing and another one
    # double. (Spark would subtract times without a zone in the session's zone.)
    clock = F.col(quote(name)).cast("timestamp_ntz").cast("string")
    micros = F.unix_micros(F.concat(clock, F.lit("Z")).cast("timestamp"))
    if kind in ("timestamp_ntz", "date"):
        return micros / 1e6
    number = F.col(quote(name)).cast("double")
    if kind != "string":
        return number
    if form is None:
        return F.coalesce(number, micros / 1e6)
    seconds = seconds_of(name, form)
    return seconds if form.format or form.compact else F.coalesce(seconds, micros / 1e6)


def _mark_bad_rows(rows: DataFrame, channels: tuple[str, ...]) -> DataFrame:
    """Rows with keys and reasons. Of rows with one entity and time, at most one stays good."""
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    content = [
        F.coalesce(F.col(name).cast("string"), F.lit(""))
        for name in ("entity", "clock", "class", "reason")
    ]
    values = [F.col(f"c{i}") for i in range(len(channels))]
    rows = add_keys(rows, F.lit("row"), *content, *values)
    same_time = Window.partitionBy("entity", "time", F.col("reason").isNull())
    digest = F.xxhash64("class", *values)
    differ = F.min(digest).over(same_time) != F.max(digest).over(same_time)
    first = F.min("key").over(same_time) == F.col("key")
    reason = (
        F.when(F.col("reason").isNotNull(), F.col("reason"))
        .when(differ, "rows of one time that differ")
        .when(~first, "a row that is there twice")
    )
    named = F.concat(F.coalesce("entity", F.lit("?")), F.lit("@"), F.coalesce("clock", F.lit("?")))
    return rows.withColumn("reason", reason).withColumn("key", named)


def _usual_step(good: DataFrame, path: Path) -> tuple[float, int]:
    """The most frequent time from a row to the next one, and how many are another one."""
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    before = F.lag("time").over(Window.partitionBy("entity").orderBy("time"))
    between = good.select(F.round(F.col("time") - before, 6).alias("step")).where(
        "step is not null"
    )
    every = between.groupBy("step").count()
    total = F.sum("count").over(Window.partitionBy(F.lit(0)))
    usual = every.withColumn("total", total).orderBy(F.desc("count"), "step").first()
    if usual is None:
        raise DataError(
            f"{path} must have at least two good rows of one series, got none. Does "
            "data.source.entity_column differ in every row?"
        )
    return float(usual["step"]), int(usual["total"] - usual["count"])


def _encode(canonical: CanonicalFrame, cut: Cut) -> CanonicalFrame:
    """Windows within each entity and split; stretches that are too short become bad rows."""
    ordered = (
        canonical.frame.drop("key", "group")
        .withColumnRenamed("entity", "group")
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
