"""`score` adds a net's answers to a DataFrame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.cluster import check_workers
from workbench.data import select_features
from workbench.errors import DataError
from workbench.scoring.model import Model, read_model
from workbench.scoring.outputs import Outputs, spark_fields
from workbench.scoring.tasks import ScoringSettings, score_batches
from workbench.spark_session import get_setting, share

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

BATCH = 256
"""Rows through the net at once: more do not fit a core's cache."""

_FEATURES = "_features"
"""Temporary column with the encoded features, where the user's column needs a conversion."""


def score(
    df: DataFrame,
    model: Model | Path | str | Mapping[str, bytes],
    *,
    features: str | Sequence[str] | None = None,
    length: str | None = None,
    outputs: Outputs | None = None,
    vectors: bool = True,
    batch_size: int = BATCH,
    threads: int | None = None,
) -> DataFrame:
    """All rows and columns of `df`, and the net's answers. Lazy; for batches and streams.

    No row is left out. A row that cannot be encoded (null, NaN, a damaged picture, a wrong size)
    gets null answers and a reason in its own column. Words that were not in the training data become
    the unknown token.

    Args:
        model: the folder that `workbench export` or `nets.save` wrote, its files by name, or `Model`. A
            net of a person's own needs a `Model`: `read_model(folder, trust_code=True)`.
        features: the column, as `data.from_dataframe` takes it: encoded pictures, raw samples, image
            structs, vectors, arrays; several numeric columns; strings or arrays of tokens for a net of
            text. None: as the net's experiment named them, else "features".
        length: column of valid steps, where `features` is padded already.
        outputs: the names of the new columns.
        vectors: vectors of Spark ML; else arrays of doubles, which every format can store.
        batch_size: rows through the net at once.
        threads: of torch in each Python worker; None: `spark.task.cpus`.

    Raises:
        ModelFileError: the model's files are not usable.
        ClusterError: Spark's Python workers lack packages.
        DataError: a column is missing, has a type that the net cannot read, or has the name of a
            column that scoring adds.
    """
    from pyspark.sql.types import StructType

    model = model if isinstance(model, Model) else read_model(model)
    names = [features] if isinstance(features, str) else list(features or _default(df, model))
    columns = (outputs or Outputs()).of(model)
    _check(df, columns, length)
    value, encoding = _features(df, names, model)
    frame = df if value is None else df.withColumn(_FEATURES, value)
    session = df.sparkSession
    check_workers(session)
    cpus = int(get_setting(session, "spark.task.cpus") or 1)
    settings = ScoringSettings(
        key=model.key,
        files=share(session, dict(model.files)),
        encoding=encoding,
        features=names[0] if value is None else _FEATURES,
        kept=tuple(df.columns),
        columns=columns,
        length=length,
        vectors=vectors,
        batch_size=batch_size,
        threads=threads or cpus,
    )
    schema = StructType([*df.schema.fields, *spark_fields(columns, vectors=vectors)])
    return frame.mapInArrow(lambda batches: score_batches(batches, settings), schema)


def _default(df: DataFrame, model: Model) -> tuple[str, ...]:
    named = model.columns
    return named if named and set(named) <= set(df.columns) else ("features",)


def _check(df: DataFrame, columns: Mapping[str, Any], length: str | None) -> None:
    taken = [name for name in (*columns, _FEATURES) if name in df.columns]
    if taken:
        raise DataError(
            f"The DataFrame has a column {taken[0]!r} already, which scoring would add. Drop it, or "
            "name the new one differently."
        )
    if len(set(df.columns)) < len(df.columns):
        raise DataError(f"Columns must have different names, got {', '.join(df.columns)}.")
    if length is not None and length not in df.columns:
        raise DataError(f"length must be a column, got {length!r} of {', '.join(df.columns)}.")


def _features(df: DataFrame, names: list[str], model: Model) -> tuple[Column | None, Any]:
    """The converted column (None: the user's own can be used), and its encoding."""
    if model.text is not None and len(names) == 1 and names[0] in df.columns:
        kind = df.schema[names[0]].dataType.simpleString()
        if kind == "array<string>":
            return None, "words"
        if kind == "string":
            if model.text.tokenizer == "tokens":
                raise DataError(
                    f"The net was trained on lists of tokens, and {names[0]!r} is a string. Cut it "
                    "into an array of strings as the training data was."
                )
            return None, "text"
    value, encoding = select_features(df, names, model.spec)
    as_is = len(names) == 1 and encoding != "numbers"
    return (None if as_is else value), encoding
