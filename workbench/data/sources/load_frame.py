"""Files of Parquet, JSON and other formats as a DataFrame."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.data.columns import quote
from workbench.data.json_records import JsonForm, find_common_form
from workbench.data.rows import BROKEN
from workbench.errors import DataError

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession
    from pyspark.sql.types import DataType

_NANOS = "spark.sql.legacy.parquet.nanosAsLong"


def load_frame(
    spark: SparkSession,
    places: list[str],
    form: str,
    as_text: bool,
    base: str | None,
    name: str,
    files: list[Path] | None = None,
) -> DataFrame:
    """The rows of files that Spark reads, but CSV.

    Args:
        as_text: numbers and booleans of json are text too.
        base: the folder whose partition folders (`day=1`) are columns.
        name: for messages.
        files: the local files; None: they are elsewhere.

    Raises:
        DataError: Spark cannot read them.
    """
    from py4j.protocol import Py4JJavaError
    from pyspark.errors import PySparkException
    from pyspark.sql import functions as F

    reader: Any = spark.read.format(form)
    if form == "parquet" and files:
        _refuse_types(files[0])
    nanos = _find_nanoseconds(files[0]) if form == "parquet" and files else []
    if nanos:
        # Spark has no type for nanoseconds: it gives them as whole numbers where this is set.
        spark.conf.set(_NANOS, "true")
    json_form = find_common_form(files) if form == "json" and files else JsonForm(rows="lines")
    if form == "json":
        reader = reader.option("columnNameOfCorruptRecord", BROKEN)
        reader = reader.option("primitivesAsString", as_text)
        reader = reader.option("multiLine", json_form.rows != "lines")
    if base:
        reader = reader.option("basePath", base)
    try:
        frame = reader.load(places if len(places) > 1 else places[0])
    except (PySparkException, Py4JJavaError) as error:
        first = _find_cause(error).rstrip(".")
        way = "Set data.source.format to the table's own."
        if "DATA_SOURCE_NOT_FOUND" in first:
            way = (
                f"This Spark has no reader for it: use a session that has the package of {form}, your own with "
                "workbench.open(spark=...), or a Spark cluster with spark.jars.packages in "
                "cluster.spark.settings. Or write the table as Parquet."
            )
        raise DataError(f"{name} cannot be read as {form}: {first}. {way}") from error
    if form == "json":
        frame = _take_rows(frame, json_form, places, name)
    kinds = dict(frame.dtypes)
    for column in (name for name in nanos if kinds.get(name) == "bigint"):
        frame = frame.withColumn(column, F.expr(f"timestamp_micros({quote(column)} div 1000)"))
    return frame


def _find_cause(error: Exception) -> str:
    """The first line of what Spark says; of an error in Java, that of its first cause."""
    text, cause = str(error), getattr(error, "java_exception", None)
    while cause is not None:
        text = cause.getMessage() or text
        cause = cause.getCause()
    return text.strip().splitlines()[0]


def _take_rows(frame: DataFrame, form: JsonForm, places: list[str], name: str) -> DataFrame:
    """
    Raises:
        DataError: no line is an object.
    """
    from pyspark.sql import functions as F

    if form.key:
        return frame.select(F.explode(quote(form.key)).alias("row")).select("row.*")
    if BROKEN not in frame.columns:
        return frame
    others = [column for column in frame.columns if column != BROKEN]
    if not others:
        first = frame.sparkSession.read.text(places).head()
        raise DataError(
            f"{name} has no line that is a JSON object. The first one is {first[0][:60] if first else ''!r}."
        )
    # Spark refuses to read what is broken alone. The condition always holds, and names another column.
    holds = F.xxhash64(F.col(quote(others[0]))) % 2 < 2
    return frame.withColumn(BROKEN, F.when(holds, F.col(BROKEN)))


def flatten_structs(frame: DataFrame) -> tuple[DataFrame, tuple[str, ...]]:
    """Fields of structs as columns (`size.width`), and what was done; pictures and other bytes stay."""
    from pyspark.sql import functions as F

    said: list[str] = []
    while structs := [f for f in frame.schema if _is_flat(f.dataType)]:
        names = {f.name for f in structs}
        columns: list[Column] = []
        for field in frame.schema:
            column = F.col(quote(field.name))
            if field.name not in names:
                columns.append(column)
                continue
            parts = [
                part for part in field.dataType.names if f"{field.name}.{part}" not in frame.columns
            ]
            columns += [column[part].alias(f"{field.name}.{part}") for part in parts]
            shown = ", ".join(f"{field.name}.{part}" for part in parts[:10])
            said.append(f"Columns within {field.name}: {shown}{' ...' * (len(parts) > 10)}.")
        frame = frame.select(*columns)
    return frame, tuple(said)


def _is_flat(kind: DataType) -> bool:
    """Whether a type is a struct of values and of such structs."""
    from pyspark.sql import types as T

    if not isinstance(kind, T.StructType):
        return False
    deep = (T.BinaryType, T.ArrayType, T.MapType, T.UserDefinedType)
    return bool(len(kind)) and all(
        _is_flat(f.dataType)
        if isinstance(f.dataType, T.StructType)
        else not isinstance(f.dataType, deep)
        for f in kind
    )


def _refuse_types(file: Path) -> None:
    """
    Raises:
        DataError: a Parquet file has columns of types that Spark has not.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        schema = pq.read_schema(file)
    except (pa.ArrowException, OSError):
        return
    odd = [
        f"{f.name} ({f.type})" for f in schema if re.search(r"halffloat|time(32|64)", str(f.type))
    ]
    if odd:
        raise DataError(
            f"{file} has columns of types that Spark has not: {', '.join(odd[:10])}. Write float16 as float32, "
            "and times of day as text, or leave these columns out."
        )


def _find_nanoseconds(file: Path) -> list[str]:
    """Columns of a Parquet file that are times in nanoseconds, as pandas writes them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        schema = pq.ParquetFile(file).schema
    except (pa.ArrowException, OSError):
        return []
    columns = []
    for i in range(len(schema)):
        kind = json.loads(schema.column(i).logical_type.to_json())
        if kind.get("Type") == "Timestamp" and kind.get("timeUnit") == "nanoseconds":
            columns.append(schema.column(i).path)
    return columns
