"""The feature columns of any DataFrame: what a sample is, and how Arrow carries it."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from nets.spec import TensorSpec
from workbench.data.encode import Encoding
from workbench.data.pictures import read_shape
from workbench.errors import DataError
from workbench.spark_session import is_connect

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame
    from pyspark.sql.types import DataType

_IMAGE_FIELDS = {"height", "width", "nChannels", "mode", "data"}


def select_features(
    df: DataFrame, features: Sequence[str], spec: TensorSpec
) -> tuple[Column, Encoding]:
    """One column with the features that Arrow can carry, and the encoding for `encode_features`.

    Raises:
        DataError: a column is missing, or its type cannot be a sample of that spec.
    """
    names = list(features)
    check_columns(df, names, {})
    encoding = _choose_encoding(df, names, spec)
    value = _as_one_column(df, names)
    return (_flatten(df, names, value) if encoding == "numbers" else value), encoding


def check_columns(df: DataFrame, features: list[str], named: dict[str, str]) -> None:
    """
    Args:
        named: parameter to column name, as `{"label": "species"}`.

    Raises:
        DataError: there is no feature column, or one of the columns is missing.
    """
    required = [("features", name) for name in features] + list(named.items())
    if not features:
        raise DataError("features must name at least one column, got none.")
    for what, name in required:
        if name not in df.columns:
            near = difflib.get_close_matches(name, df.columns, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise DataError(
                f"{what} must be a column of the DataFrame, got {name!r}.{hint} "
                f"It has {', '.join(df.columns)}."
            )


def quote(name: str) -> str:
    """A column's name in backticks: Spark would read a dot in it as a field's."""
    return "`" + name.replace("`", "``") + "`"


def _as_one_column(df: DataFrame, names: list[str]) -> Column:
    """The features in a type that Arrow can carry: vectors and several columns become arrays."""
    from pyspark.ml.functions import vector_to_array
    from pyspark.ml.linalg import VectorUDT
    from pyspark.sql import functions as F

    if len(names) > 1:
        odd = [n for n in names if not is_number(df.schema[n].dataType)]
        if odd:
            raise DataError(
                f"Several feature columns must be numeric, {odd[0]!r} is "
                f"{df.schema[odd[0]].dataType.simpleString()}. Index it first (StringIndexer, "
                "OneHotEncoder), or leave it out."
            )
        return F.array(*(F.col(quote(name)).cast("double") for name in names))
    column, kind = F.col(quote(names[0])), df.schema[names[0]].dataType
    if isinstance(kind, VectorUDT):
        if is_connect(df):
            raise DataError(
                f"{names[0]!r} has vectors of Spark ML, which Spark Connect cannot convert. Give the "
                "columns that they were made of, or an array."
            )
        return F.when(column.isNotNull(), vector_to_array(column))  # it fails on null
    return F.array(column.cast("double")) if is_number(kind) else column


def _flatten(df: DataFrame, names: list[str], value: Column) -> Column:
    """One array of doubles, however deep the arrays are nested."""
    from pyspark.sql import functions as F

    kind = df.schema[names[0]].dataType
    while len(names) == 1 and kind.typeName() == "array" and kind.elementType.typeName() == "array":
        value, kind = F.flatten(value), kind.elementType
    return value.cast("array<double>")


def _choose_encoding(df: DataFrame, names: list[str], spec: TensorSpec) -> Encoding:
    from pyspark.ml.linalg import VectorUDT

    kind = df.schema[names[0]].dataType
    if len(names) == 1:
        name = kind.typeName()
        if name in ("binary", "string"):
            if name == "string" and spec.kind != "image":
                raise DataError(
                    f"features {names[0]!r} is text, which is read as pictures in base64 only, and "
                    f"the spec says {spec.kind}. Tokenise text first (source kind text)."
                )
            encodings: dict[str, Encoding] = {"image": "pictures", "sound": "sounds"}
            return encodings.get(spec.kind, "raw")
        if name == "struct" and set(kind.names) >= _IMAGE_FIELDS:
            return "structs"
        if not (name == "array" or isinstance(kind, VectorUDT) or is_number(kind)):
            raise DataError(
                f"features {names[0]!r} is {kind.simpleString()}. It must be binary, text in base64, "
                "an image struct, a vector, an array of numbers, or numeric columns."
            )
    return "numbers"


def is_number(kind: DataType) -> bool:
    """Whether values of that type are numbers or booleans."""
    from pyspark.sql.types import BooleanType, NumericType

    return isinstance(kind, (NumericType, BooleanType))


def find_spec(df: DataFrame, names: list[str]) -> TensorSpec:
    """The spec of the first row that has features.

    Raises:
        DataError: no row has any, or a sample's shape does not follow from them.
    """
    if len(names) > 1:
        return TensorSpec(kind="vector", shape=(len(names),))
    if is_number(df.schema[names[0]].dataType):
        return TensorSpec(kind="vector", shape=(1,))
    value = _as_one_column(df, names)
    row = df.where(value.isNotNull()).select(value.alias("features")).head()
    if row is None:
        raise DataError(f"The column {names[0]!r} holds no value to find a sample's shape from.")
    first = row["features"]
    kind = df.schema[names[0]].dataType.typeName()
    if kind == "struct" and set(first.asDict()) >= _IMAGE_FIELDS:
        shape = (first["nChannels"], first["height"], first["width"])
        return TensorSpec(kind="image", shape=shape, dtype="uint8")
    if kind == "binary":
        try:
            return TensorSpec(kind="image", shape=read_shape(bytes(first)), dtype="uint8")
        except ValueError:
            raise DataError(
                f"The first value of {names[0]!r} is no picture that Pillow knows. Say what a sample "
                "is: spec=TensorSpec(kind=..., shape=..., dtype=...)."
            ) from None
    if isinstance(first, list) and first and isinstance(first[0], (int, float)):
        return TensorSpec(kind="vector", shape=(len(first),))
    raise DataError(
        f"A sample's shape does not follow from {names[0]!r} "
        f"({df.schema[names[0]].dataType.simpleString()}): say it, spec=TensorSpec(kind=..., "
        "shape=...)."
    )


def hash_columns(names: list[str]) -> Column:
    """A hash of these columns: 128 bits, so that different rows have different keys."""
    from pyspark.sql import functions as F

    columns = [F.col(quote(name)) for name in names]
    halves = F.xxhash64(*columns), F.xxhash64(F.lit(1), *columns)
    # Java's String.format takes three times as long.
    return F.lower(F.concat(*(F.lpad(F.hex(half), 16, "0") for half in halves)))
