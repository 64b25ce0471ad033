"""The canonical DataFrame: what every source becomes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from nets.spec import TensorSpec
from nets.text import TextEncoding

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """How the labels of a forecast follow from the features."""

    targets: tuple[int, ...]
    """Channels of the features that are forecast."""
    horizon: int
    """Steps ahead; labels are (horizon * targets), all targets of the first step first."""
    season: int | None
    """Steps after which values repeat, at most those of a sample; None: no season is known."""

    @property
    def channels(self) -> tuple[int, ...]:
        """For each output, the channel whose later value it is."""
        return self.targets * self.horizon


@dataclass(frozen=True, kw_only=True)
class CanonicalFrame:
    """Samples in Spark, one per row, with their spec and labels."""

    frame: DataFrame
    """features (binary: the sample's raw bytes), label (long, or double and array<float> for
    regression), key (string, unique: where the row came from), split (string), and where the data
    has them length (int), weight (float), group (string) and time (double) to split by."""
    spec: TensorSpec
    """Shape and dtype of a sample."""
    labels: tuple[str, ...] | None
    """Class names by index; None for regression."""
    num_outputs: int
    """Classes, or values to predict."""
    bad: DataFrame | None = None
    """Rows that cannot be used: key, reason; None where a source cannot have any."""
    encode: Callable[[CanonicalFrame], CanonicalFrame] | None = None
    """The last step, for samples that depend on the split: it fits a vocabulary on the training split,
    or cuts windows that stay within a split. It runs once `split` is filled; until then `frame` has no
    features."""
    text: TextEncoding | None = None
    """Text: the encoding into token ids, which scoring uses too."""
    forecast: Forecast | None = None
    """Forecasts: the channels that are predicted, and how far ahead."""
    measures: Mapping[str, Column] = field(default_factory=dict)
    """More figures for the run's record: aggregates of the frame, by name."""
    decoded: DataFrame | None = None
    """A persisted step between source and frame; the caller unpersists it after use."""
    cache: Path | None = None
    """Temporary folder that the frame is read from; the caller removes it after use."""
    official_test: bool | None = None
    """Whether the source names its test rows; None: only reading it shows that."""
    official_validation: bool = False
    """Whether the source names its validation rows. Where official_test is None, reading shows both."""
    decided: tuple[str, ...] = ()
    """What the reader decided about the data without being told, a sentence each: columns used and not
    used and why, where the splits come from, what was ignored. For people; `data describe` and the
    run show it."""
    feature_names: tuple[str, ...] = ()
    """Names of a vector's features, in order; (): they have none."""
    plan: int | None = None
    """DataFrame.semanticHash: a hash of Spark's plan, comparable within one session only."""
    row_bytes: int | None = None
    """Bytes of the largest row as the source stores it; None: no larger than a sample."""
    num_files: int | None = None
    """Files that `decoded` opens, in even parts; None: the rows are not in a file each."""


Table = CanonicalFrame
"""The earlier name of the class, for programs that import it."""
