"""Any DataFrame as the canonical one: `from_dataframe`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from nets.spec import TensorSpec
from workbench.data import pictures, sounds
from workbench.data.canonical import CanonicalFrame
from workbench.data.class_order import natural_order
from workbench.data.columns import (
    check_columns,
    find_spec,
    hash_columns,
    is_number,
    quote,
    select_features,
)
from workbench.data.encode import Recipe, canonical_rows, has_variable_length
from workbench.data.rows import MAX_CLASSES, open_splits
from workbench.errors import DataError
from workbench.spark_session import count_partitions, count_slots

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

_PARTITION_BYTES = 16 * 2**20
_CHANGES = {"pictures": pictures.CHANGES, "sounds": sounds.CHANGES}
"""What may be done to samples of an encoding."""
_SMALL_BYTES = 2 * 2**20
"""Samples of fewer bytes are not worth a shuffle."""


def from_dataframe(
    df: DataFrame,
    *,
    features: str | Sequence[str],
    label: str | None,
    spec: TensorSpec | None = None,
    split: str | None = None,
    weight: str | None = None,
    length: str | None = None,
    labels: Sequence[str] | Literal["fit"] | None = None,
    key: str | None = None,
    group: str | None = None,
    time: str | None = None,
) -> CanonicalFrame:
    """The columns of a DataFrame as a `CanonicalFrame`. One Spark job finds the classes; the rest is lazy.

    Rows that cannot be used (null, NaN, a wrong size, an unknown label) are in `CanonicalFrame.bad`
    with key and reason.

    Args:
        features: one column of encoded pictures (binary, or base64 text) or sounds (binary, with a spec
            of kind sound), of samples as raw bytes
            (exactly `spec.num_bytes` each), of Spark's image structs, of Spark ML vectors, of
            arrays of numbers (nested for series: steps of channels); or several numeric columns,
            which become a vector. Arrays of tokens and series may have fewer steps than the spec.
        label: text, a boolean or a whole number is a class; float and double, and arrays of
            them, are measured values. None: there is no label (autoencoders); it becomes 0.
        spec: shape and dtype of a sample. None: taken from the first row (pictures: its size and
            channels).
        split: column of "train", "validation", "test" or null (drawn by the split's settings). Of
            "validation" and "test", what is not there is drawn from "train" too.
        weight: column with the weight of a row in the loss, >= 0.
        length: column of valid steps, where `features` is padded already.
        labels: class names by index. "fit": the different values of `label`, in order, also where
            it is float or double (as Spark ML's estimators expect).
        key: column that names rows, unique and the same at every reading; the split follows from it.
            None: a hash of features and label, which equal rows share.
        group: column whose equal values stay together where `data.split.by` is group.
        time: column of numbers, dates or timestamps that orders the rows where `data.split.by` is time.

    Raises:
        DataError: a column is missing or has another type, there is no usable row, or there are more
            than MAX_CLASSES classes.
    """
    from pyspark.sql import functions as F

    several = [features] if isinstance(features, str) else list(features)
    named = {"label": label, "split": split, "weight": weight, "length": length, "key": key}
    named |= {"group": group, "time": time}
    check_columns(df, several, {name: column for name, column in named.items() if column})
    spec = spec or find_spec(df, several)
    value, encoding = select_features(df, several, spec)
    target, names = _select_label(df, label, labels)
    columns: dict[str, Column] = {
        "features": value,
        "label": target,
        "key": F.col(quote(key)).cast("string")
        if key
        else hash_columns([*several, *([label] if label else [])]),
        "split": F.col(quote(split)).cast("string") if split else F.lit(None).cast("string"),
    }
    if weight:
        columns["weight"] = F.col(quote(weight)).cast("float")
    if length:
        columns["length"] = F.col(quote(length)).cast("int")
    if group:
        columns["group"] = F.col(quote(group)).cast("string")
    if time:
        moment = F.col(quote(time))
        if not is_number(df.schema[time].dataType):
            moment = moment.cast("timestamp")
        columns["time"] = moment.cast("double")
    chosen = df.select(*(column.alias(name) for name, column in columns.items()))
    names, num_rows, parts, row_bytes = _summarize(chosen, names, _is_numeric(df, label))
    chosen = chosen.withColumn("split", open_splits(F.col("split"), parts))
    outputs = len(names) if names is not None else _count_outputs(chosen)
    recipe = Recipe(
        encoding=encoding, spec=spec, labels=names, num_outputs=outputs, names=tuple(several)
    )
    canonical = encode_frame(chosen, recipe, num_rows=num_rows, official_test="test" in parts)
    return replace(
        canonical,
        plan=df.semanticHash(),
        row_bytes=row_bytes,
        official_validation="validation" in parts,
    )


def encode_frame(
    chosen: DataFrame, recipe: Recipe, *, num_rows: int | None = None, official_test: bool | None
) -> CanonicalFrame:
    """The rows encoded by the recipe, and the bad rows with reasons.

    Args:
        chosen: features, label (text for classes, else double or array<float>), key, split; optional
            are weight (float), length (int), group (string), time (double).
        num_rows: rows of `chosen`; None: not known, and the partitions stay as they are.
        official_test: whether some row's `split` is "test"; None: not known.
    """
    label = "long" if recipe.labels is not None else chosen.schema["label"].dataType.simpleString()
    schema = f"features binary, label {label}, key string, split string"
    if "length" in chosen.columns or (
        recipe.encoding == "numbers" and has_variable_length(recipe.spec)
    ):
        schema += ", length int"
    for name, kind in (("weight", "float"), ("group", "string"), ("time", "double")):
        if name in chosen.columns:
            schema += f", {name} {kind}"
    if num_rows is not None:
        chosen = _spread(chosen, num_rows * recipe.spec.num_bytes)
    schema += ", reason string" + ", changes int" * (recipe.encoding in _CHANGES)
    rows = chosen.mapInArrow(lambda batches: canonical_rows(batches, recipe), schema)
    return divide_rows(rows, recipe, official_test=official_test)


def divide_rows(rows: DataFrame, recipe: Recipe, *, official_test: bool | None) -> CanonicalFrame:
    """Canonical rows with a column `reason` (null: the row is good) as good and bad rows."""
    from pyspark.sql import functions as F

    rows = rows.persist()  # good and bad rows come from one pass
    measures = count_changes(_CHANGES[recipe.encoding]) if recipe.encoding in _CHANGES else {}
    return CanonicalFrame(
        frame=rows.where(F.col("reason").isNull()).drop("reason"),
        spec=recipe.spec,
        labels=recipe.labels,
        num_outputs=recipe.num_outputs,
        bad=rows.where(F.col("reason").isNotNull()).select("key", "reason"),
        decoded=rows,
        official_test=official_test,
        measures=measures,
    )


def count_changes(bits: Mapping[str, int]) -> dict[str, Column]:
    """How many pictures or sounds each thing was done to, by what `changes` says.

    Args:
        bits: name of a count to its bit.
    """
    from pyspark.sql import functions as F

    return {
        name: F.sum((F.col("changes").bitwiseAND(bit) > 0).cast("long"))
        for name, bit in bits.items()
    }


def _is_numeric(df: DataFrame, label: str | None) -> bool:
    from pyspark.sql.types import NumericType

    return label is not None and isinstance(df.schema[label].dataType, NumericType)


def _select_label(
    df: DataFrame, label: str | None, labels: Sequence[str] | Literal["fit"] | None
) -> tuple[Column, Any]:
    """The label as text or as double(s), and the class names: "fit" if not known yet, None for values."""
    from pyspark.sql import functions as F
    from pyspark.sql import types as T

    if label is None:
        return F.lit(0.0), None
    column, kind = F.col(quote(label)), df.schema[label].dataType
    if isinstance(labels, str) and labels != "fit":
        raise DataError(f'labels must be a list of class names, "fit" or None, got {labels!r}.')
    names: Any = labels if labels is None or labels == "fit" else tuple(map(str, labels))
    if isinstance(kind, (T.FloatType, T.DoubleType, T.DecimalType)):
        double = column.cast("double")
        value = F.when(~F.isnan(double), double)
        # 1.0 is the class "1": StringIndexer's indices are doubles.
        whole = F.when(value == F.floor(value), value.cast("long").cast("string"))
        return (value, None) if names is None else (F.coalesce(whole, value.cast("string")), names)
    if isinstance(kind, T.ArrayType) and is_number(kind.elementType):
        return column.cast("array<float>"), None
    if isinstance(kind, (T.StringType, T.IntegralType, T.BooleanType)):
        return column.cast("string"), "fit" if names is None else names
    raise DataError(
        f"label {label!r} is {kind.simpleString()}. It must be text, a boolean or a number (classes), "
        "or float, double or an array of them (measured values)."
    )


def _summarize(
    chosen: DataFrame, labels: Any, numeric: bool
) -> tuple[tuple[str, ...] | None, int, set[str | None], int | None]:
    """Class names, number of rows, values of `split`, and bytes of the largest row, in one Spark job."""
    from pyspark.sql import functions as F

    fit = labels == "fit"
    name = F.col("label") if fit else F.lit(None).cast("string")
    sized = chosen.schema["features"].dataType.typeName() in ("binary", "string")
    largest = F.max(F.length("features")) if sized else F.lit(None).cast("int")
    figures = (F.count(F.lit(1)).alias("count"), largest.alias("largest"))
    groups = chosen.groupBy(name.alias("label"), "split").agg(*figures)
    groups = groups.limit(4 * MAX_CLASSES).collect()
    num_rows = sum(row["count"] for row in groups)
    if not num_rows:
        raise DataError("The DataFrame has no rows.")
    parts = {row["split"] for row in groups}
    row_bytes = max((row["largest"] or 0 for row in groups), default=0) or None
    if not fit:
        return labels, num_rows, parts, row_bytes
    names = {row["label"] for row in groups} - {None}
    if len(names) > MAX_CLASSES:
        raise DataError(
            f"The label has more than {MAX_CLASSES} different values, too many for classes. Measured "
            "values are float or double: cast the column."
        )
    if not names:
        raise DataError("The label column holds no value at all: there is nothing to learn.")
    order = sorted(names, key=float) if numeric else natural_order(names)
    return tuple(order), num_rows, parts, row_bytes


def _spread(frame: DataFrame, num_bytes: int) -> DataFrame:
    """Enough partitions that each has at most _PARTITION_BYTES once encoded, and every task slot has work.

    The rows are shuffled before they are encoded, while they are small. By key: to deal them out in turns,
    Spark would sort them first, so that a task that is repeated deals alike.
    """
    enough = math.ceil(num_bytes / _PARTITION_BYTES)
    if num_bytes > _SMALL_BYTES:
        enough = max(enough, 2 * count_slots(frame.sparkSession))
    partitions = count_partitions(frame)
    if partitions is None:  # Spark Connect: shuffled unless one partition is enough
        partitions = 1
    return frame.repartition(enough, "key") if partitions < enough else frame


def _count_outputs(chosen: DataFrame) -> int:
    from pyspark.sql import functions as F

    if chosen.schema["label"].dataType.typeName() != "array":
        return 1
    first = chosen.where(F.col("label").isNotNull()).select(F.size("label").alias("n")).head()
    if first is None or not first["n"]:
        raise DataError("The label column holds no value at all: there is nothing to learn.")
    return int(first["n"])
