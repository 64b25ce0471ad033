"""A DataFrame of a person's program. Its settings describe it; only the process that holds it can read it."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal
from weakref import WeakValueDictionary

from nets.config import config
from nets.errors import ConfigError
from nets.spec import TensorSpec
from workbench.data.canonical import CanonicalFrame
from workbench.data.columns import check_columns
from workbench.data.frames import from_dataframe
from workbench.data.pictures import picture_spec
from workbench.errors import DataError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

NUMBERED_ANEW = ("data.source.plan", "data.source.frame")
"""Settings that differ from session to session for the same rows."""
_KINDS: dict[int, Literal["vector", "series", "image"]] = {1: "vector", 2: "series", 3: "image"}
_COLUMNS = ("label", "split", "weight", "key", "group", "time")

_FRAMES: WeakValueDictionary[str, DataFrame] = WeakValueDictionary()
"""By name, as long as a program or a source of this process has them."""


@config
class DataFrameSource:
    """A DataFrame of a Spark session, classic or Connect: `DataFrameSource(df, label="species")`.

    A sweep, a run's record and other processes have the names of its columns only.
    """

    kind: Literal["dataframe"] = "dataframe"
    features: tuple[str, ...] = ()
    """Columns of numbers, or one column of arrays, Spark ML vectors, pictures or sounds; none: all that no other setting names."""
    label: str | None = None
    """Column to predict: text, booleans and whole numbers are classes, other numbers and arrays measured values; None: there is none (autoencoders)."""
    shape: tuple[int, ...] | None = None
    """Shape of a sample whose column has flat arrays or raw pixels: [features], [steps, channels] or [channels, height, width]; None: as the first row has it."""
    split: str | None = None
    """Column of train, validation, test or null."""
    weight: str | None = None
    """Column with the weight of a row in the loss; None: all rows weigh the same."""
    key: str | None = None
    """Column that names the rows; None: a hash of each row."""
    group: str | None = None
    """Column whose equal values stay together where data.split.by is group."""
    time: str | None = None
    """Column of numbers, dates or timestamps that rows are ordered by where data.split.by is time."""
    plan: int | None = None
    """DataFrame.semanticHash, the same for the same plan within a Spark session; for the record."""
    frame: str | None = None
    """Name of the DataFrame in the process that holds it, made with the source; it says nothing elsewhere."""

    if TYPE_CHECKING:

        def __init__(
            self,
            df: DataFrame | None = None,
            /,
            *,
            features: Sequence[str] = (),
            label: str | None = None,
            shape: Sequence[int] | None = None,
            split: str | None = None,
            weight: str | None = None,
            key: str | None = None,
            group: str | None = None,
            time: str | None = None,
            plan: int | None = None,
            frame: str | None = None,
        ) -> None: ...

    def __post_init__(self) -> None:
        named = {name: column for name in _COLUMNS if (column := getattr(self, name))}
        if twice := set(named.values()) & set(self.features):
            raise ConfigError(
                f"features must not name another setting's column, got {', '.join(sorted(twice))}."
            )
        if self.shape is not None and len(self.shape) not in _KINDS:
            raise ConfigError(
                "shape must be [features], [steps, channels] or [channels, height, width], got "
                f"{list(self.shape)}."
            )
        # As long as a source lives, its DataFrame does; a copy of the settings finds it by name.
        object.__setattr__(self, "_held", _FRAMES.get(self.frame or ""))

    def __getstate__(self) -> dict[str, Any]:
        """Without the DataFrame, which no other process can use."""
        return {name: value for name, value in self.__dict__.items() if name != "_held"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.__post_init__()


def _hold_frames(cls: Any) -> None:
    """Let the class take a DataFrame as its first argument."""
    checked = cls.__init__

    @functools.wraps(checked)
    def __init__(self: Any, df: DataFrame | None = None, /, **settings: Any) -> None:
        if df is not None:
            settings = _describe(df, settings)
        checked(self, **settings)

    cls.__init__ = __init__


def _describe(df: DataFrame, settings: dict[str, Any]) -> dict[str, Any]:
    """The settings of a source of this DataFrame, which is given a name."""
    if not type(df).__module__.startswith("pyspark.sql"):
        raise ConfigError(
            f"DataFrameSource takes a Spark DataFrame, got {type(df).__name__}. Of a pandas frame "
            "Spark makes one: spark.createDataFrame(frame)."
        )
    features = settings.get("features") or ()
    others = {settings.get(name) for name in _COLUMNS}
    name = next((name for name, known in _FRAMES.items() if known is df), uuid.uuid4().hex[:12])
    _FRAMES[name] = df
    return {
        **settings,
        "features": (features,)
        if isinstance(features, str)
        else tuple(features) or tuple(column for column in df.columns if column not in others),
        "plan": df.semanticHash(),
        "frame": name,
    }


_hold_frames(DataFrameSource)


def held_session(source: Any) -> SparkSession | None:
    """The Spark session of the DataFrame that a source holds; None for sources that hold none."""
    held = getattr(source, "_held", None)
    return None if held is None else held.sparkSession


def describe_frame(source: DataFrameSource) -> str:
    """What a record can say of it, in two sentences."""
    shown = ", ".join(source.features[:8])
    more = f" and {len(source.features) - 8} more" if source.features[8:] else ""
    label = f", label {source.label}" if source.label else ""
    return f"A DataFrame of a Spark session, columns {shown}{more}{label}. It is not readable from elsewhere."


def find_frame(source: DataFrameSource) -> DataFrame:
    """The DataFrame, with the columns that the settings name.

    Raises:
        DataError: this process does not hold it, or a column is missing.
    """
    held: DataFrame | None = getattr(source, "_held", None)
    if held is None:
        raise DataError(
            f"data.source.kind dataframe stands for a DataFrame that a program made: "
            f"{describe_frame(source)} Give it to a source again, DataFrameSource(df, label=...), or "
            "write it to Parquet and use data.source.kind table or image_table."
        )
    named = {name: column for name in _COLUMNS if (column := getattr(source, name))}
    check_columns(held, list(source.features), named)
    return held


def read(source: DataFrameSource, spark: SparkSession | None = None) -> CanonicalFrame:
    """Its rows, of the session that it belongs to.

    Raises:
        DataError: this process does not hold it; a column is missing, or cannot be a sample or a
            label.
    """
    df = find_frame(source)
    named: dict[str, Any] = {name: getattr(source, name) for name in _COLUMNS}
    canonical = from_dataframe(df, features=source.features, spec=_spec_of(df, source), **named)
    return replace(canonical, decided=(describe_frame(source),))


def _spec_of(df: DataFrame, source: DataFrameSource) -> TensorSpec | None:
    shape = source.shape
    if shape is None:
        return None
    encoded = df.schema[source.features[0]].dataType.typeName() == "binary"
    if len(shape) == 3 and encoded:
        return picture_spec((shape[0], shape[1], shape[2]))
    return TensorSpec(kind=_KINDS[len(shape)], shape=tuple(shape))
