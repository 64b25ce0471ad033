"""Data of a person's own: a function that gives a DataFrame."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from nets import ConfigError, Custom
from nets.custom_errors import line_of, signature_of
from nets.custom_field import name_of
from nets.custom_signature import given_to
from workbench.data.canonical import CanonicalFrame
from workbench.data.sources.any_frame import read_frame
from workbench.errors import DataError, WorkbenchError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_COLUMNS = ("label", "split", "weight", "key", "group", "time")
_MEASURED = ("float", "double", "decimal", "array")


def check_load(source: Custom) -> None:
    """Refuse what is no function of a Spark session.

    Raises:
        UntrustedCodeError: its code is not loaded here.
        ConfigError: its signature does not fit.
    """
    if inspect.isclass(source.part) or len(given_to(source.part)) != 1:
        raise ConfigError(
            f"data of your own is a function of the Spark session, and its settings by name: "
            f"{name_of(source)}(spark, *, path='rows.parquet'). {name_of(source)} takes "
            f"{signature_of(source.part)}."
        )


def read(source: Custom, spark: SparkSession) -> CanonicalFrame:
    """What the function gives: a `CanonicalFrame`, or a DataFrame.

    Of a DataFrame the columns label, split, weight, key, group and time are taken by these names. The
    sample is the column features where there is one, else all other columns. Labels of type float and
    double are measured values, others are classes.

    Raises:
        UntrustedCodeError: its code is not loaded here.
        DataError: the function fails, or gives something else; a column has another type.
    """
    check_load(source)
    name = name_of(source)
    try:
        made = source.part(spark, **source.arguments)
    except WorkbenchError:
        raise
    except Exception as error:
        first = (str(error).strip().splitlines() or [""])[0]
        raise DataError(
            f"data {name} fails: {type(error).__name__}: {first}{line_of(source, error)}."
        ) from error
    if isinstance(made, CanonicalFrame):
        return made
    if not hasattr(made, "createOrReplaceTempView"):
        raise DataError(
            f"data {name} must return a Spark DataFrame, or a workbench.data.CanonicalFrame, got "
            f"{type(made).__name__}."
        )
    columns = {each: each for each in _COLUMNS if each in made.columns}
    if "label" not in columns:
        raise DataError(
            f"data {name} must give a column label, got the columns {', '.join(made.columns[:20])}. Rename "
            "the column to predict."
        )
    measured = made.schema["label"].dataType.typeName() in _MEASURED
    return read_frame(
        made,
        f"data {name}",
        features=("features",) if "features" in made.columns else (),
        columns=columns,
        task="values" if measured else "classes",
    )
