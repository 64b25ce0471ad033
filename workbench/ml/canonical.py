"""Makes canonical rows of the columns of a user's DataFrame."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from nets import Task
from nets.errors import ConfigError
from nets.spec import TensorSpec
from nets.text import PADDING, SEPARATOR, UNKNOWN, TextEncoding
from workbench.data import (
    CanonicalFrame,
    class_names,
    encode_text,
    from_dataframe,
    hash_columns,
    index_of,
    picture_spec,
    read_shape,
)
from workbench.errors import DataError
from workbench.ml.params import TextParams, TrainingParams

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

_SPLIT = "_split"


def to_canonical(
    df: DataFrame, params: TrainingParams, task: Task, *, sequences: bool
) -> CanonicalFrame:
    """Samples, labels and weights from the columns that `params` name.

    Args:
        sequences: whether flat arrays are sequences. Integers are token ids then, other numbers a
            series.

    Raises:
        DataError, ConfigError: a column is missing or cannot be a sample or a label.
    """
    column = params.getFeaturesCol()
    label = None if task.reconstructs else params.getOrDefault("labelCol")
    columns = [column, label, *(_value_of(params, name) for name in ("weightCol", "keyCol"))]
    for name in [*columns, _value_of(params, "validationIndicatorCol")]:
        if name is not None and name not in df.columns:
            raise DataError(f"There is no column {name!r}. The data has {', '.join(df.columns)}.")
    df, split = _mark_splits(df, params)
    kind = df.schema[column].dataType.simpleString()
    shape = _value_of(params, "shape")
    if isinstance(params, TextParams) and (
        kind == "array<string>" or (kind == "string" and shape is None)
    ):
        return _text(df, params, task, label, split)
    if task is Task.VALUES and label is not None:
        df = df.withColumn(label, _values(df, label))
    return from_dataframe(
        df,
        features=column,
        label=label,
        spec=_spec(df, column, shape, sequences=sequences),
        split=split,
        weight=_value_of(params, "weightCol"),
        length=_value_of(params, "lengthCol"),
        labels="fit" if task.has_classes else None,
        key=_value_of(params, "keyCol"),
    )


def _value_of(params: TrainingParams, name: str) -> Any:
    return params.getOrDefault(name) if params.isDefined(name) else None


def _mark_splits(df: DataFrame, params: TrainingParams) -> tuple[DataFrame, str | None]:
    """Add a column of "train" and "validation" if the user names the validation rows."""
    from pyspark.sql import functions as F

    indicator = _value_of(params, "validationIndicatorCol")
    if indicator is None:
        return df, None
    split = F.when(F.col(f"`{indicator}`"), "validation").otherwise("train")
    return df.withColumn(_SPLIT, split), _SPLIT


def _values(df: DataFrame, label: str) -> Column:
    """Measured labels as doubles."""
    from pyspark.ml.functions import vector_to_array
    from pyspark.sql import functions as F

    column, kind = F.col(f"`{label}`"), df.schema[label].dataType
    if kind.typeName() == "array":
        return column
    if kind.typeName() == "udt" or type(kind).__name__ == "VectorUDT":
        return F.when(column.isNotNull(), vector_to_array(column)).cast("array<float>")
    return column.cast("double")


def _spec(df: DataFrame, column: str, shape: Any, *, sequences: bool) -> TensorSpec | None:
    """Kind, shape and dtype of a sample; None: the reader takes them from the first row."""
    from pyspark.sql import functions as F

    kind = df.schema[column].dataType
    depth, inner = 0, kind
    while inner.typeName() == "array":
        depth, inner = depth + 1, inner.elementType
    if inner.typeName() in ("binary", "struct", "string"):
        if shape is None and inner.typeName() == "binary":
            shape = _picture(df, column)
        return None if shape is None else picture_spec(tuple(shape))
    cell = F.col(f"`{column}`")
    if depth == 1 and sequences and shape is None and inner.typeName() in ("integer", "long"):
        steps, ids = df.agg(F.max(F.size(cell)), F.max(F.array_max(cell))).head() or (0, 0)
        _check_size(steps, column)
        return TensorSpec(
            kind="tokens", shape=(steps,), dtype="int32", vocabulary_size=max(2, ids + 1)
        )
    if shape is None and depth == 2:
        shape = df.agg(F.max(F.size(cell)), F.max(F.size(F.element_at(cell, 1)))).head()
        _check_size(shape and shape[0], column)
    elif shape is None and depth == 3:
        first = df.where(cell.isNotNull()).select(cell.alias("value")).head()
        value: Any = first and first["value"]
        _check_size(value and len(value), column)
        shape = (len(value), len(value[0]), len(value[0][0]))
    elif shape is None and depth == 1 and sequences:
        steps = (df.agg(F.max(F.size(cell))).head() or [0])[0]
        _check_size(steps, column)
        shape = (steps, 1)
    elif shape is None:
        return None
    kinds = {1: "vector", 2: "series", 3: "image"}
    if len(shape) not in kinds:
        raise ConfigError(
            "shape must be [channels, height, width], [steps, channels] or [features], got "
            f"{list(shape)}."
        )
    sample_kind: Any = kinds[len(shape)]
    return TensorSpec(kind=sample_kind, shape=tuple(int(size) for size in shape))


def _picture(df: DataFrame, column: str) -> tuple[int, int, int]:
    """The shape of the first picture."""
    from pyspark.sql import functions as F

    first = df.where(F.col(f"`{column}`").isNotNull()).select(f"`{column}`").head()
    _check_size(first and len(first), column)
    assert first is not None
    try:
        return read_shape(bytes(first[0]))
    except ValueError:
        raise DataError(
            f"The first value of {column!r} is not a picture that Pillow can read. Raw pixels need "
            "shape=[channels, height, width]."
        ) from None


def _check_size(size: Any, column: str) -> None:
    if not size or size < 1:
        raise DataError(f"The column {column!r} has no value that shows the shape of a sample.")


def _text(
    df: DataFrame, params: TextParams, task: Task, label: str | None, split: str | None
) -> CanonicalFrame:
    """Rows of text. `encode` makes token ids of them, with a vocabulary of the training rows."""
    from pyspark.sql import functions as F

    assert label is not None, "an autoencoder reads no text"
    column = params.getFeaturesCol()
    tokens = df.schema[column].dataType.typeName() == "array"
    cell, key = F.col(f"`{column}`"), _value_of(params, "keyCol")
    target = _values(df, label) if task is Task.VALUES else F.col(f"`{label}`")
    if task.has_classes and df.schema[label].dataType.typeName() in ("double", "float"):
        whole = F.when(target == F.floor(target), target.cast("long").cast("string"))
        target = F.coalesce(whole, target.cast("string"))
    columns = {
        "text": F.when(cell.isNotNull(), F.concat_ws(SEPARATOR, cell)) if tokens else cell,
        "label": target if task is Task.VALUES else target.cast("string"),
        "key": F.col(f"`{key}`").cast("string") if key else hash_columns([column, label]),
        "split": F.col(split) if split else F.lit(None).cast("string"),
    }
    if weight := _value_of(params, "weightCol"):
        columns["weight"] = F.col(f"`{weight}`").cast("float")
    rows = df.select(*(value.alias(name) for name, value in columns.items())).withColumn(
        "reason",
        F.when(F.col("text").isNull(), "the text is null")
        .when(F.col("text").rlike(r"^\s*$"), "the text is blank")
        .when(F.col("label").isNull(), "the label is null"),
    )
    names = None
    good = rows.where("reason is null").drop("reason")
    if task.has_classes:
        names = class_names(good, "label")
        good = good.withColumn("label", index_of(F.col("label"), names))
    encoding = _encoding(params, tokens)
    return CanonicalFrame(
        frame=good,
        spec=TensorSpec(
            kind="tokens", shape=(encoding.max_length,), dtype="int32", vocabulary_size=2
        ),
        labels=names,
        num_outputs=1 if names is None else len(names),
        bad=rows.where("reason is not null").select("key", "reason"),
        encode=lambda canonical: encode_text(
            canonical, encoding, params.getOrDefault("vocabularySize")
        ),
        official_test=False,
        plan=df.semanticHash(),
    )


def _encoding(params: TextParams, tokens: bool) -> TextEncoding:
    """The tokenizer, with no vocabulary yet."""
    name = params.getOrDefault("tokenizer")
    definition = None
    if not tokens and name not in ("words", "characters"):
        if not Path(name).is_file():
            raise ConfigError(
                "tokenizer must be words, characters or the path of a tokenizer.json, got "
                f"{name!r}, where there is no file."
            )
        name, definition = "file", Path(name).read_text(encoding="utf-8")
    return TextEncoding(
        tokenizer="tokens" if tokens else name,
        lowercase=not tokens and name != "file" and params.getOrDefault("lowercase"),
        max_length=params.getOrDefault("maxLength"),
        vocabulary=(PADDING, UNKNOWN),
        definition=definition,
    )
