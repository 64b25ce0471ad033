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
    """What the labels of a forecast are, in terms of the features it is made from."""

    targets: tuple[int, ...]
    """Channels of the features that are forecast."""
    horizon: int
    """Steps ahead; labels are (horizon * targets), all targets of the first step first."""
    season: int | None
    """Steps after which things repeat, at most those of a sample; None: nothing known to."""

    @property
    def channels(self) -> tuple[int, ...]:
        """The channel that each output is a later value of."""
        return self.targets * self.horizon


@dataclass(frozen=True, kw_only=True)
class CanonicalFrame:
    """Samples in Spark, one a row, and what they are."""

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
    """Rows set aside: key, reason; None where a source cannot have any."""
    encode: Callable[[CanonicalFrame], CanonicalFrame] | None = None
    """What is left to do once `split` is filled, where samples can only be made then: fit a vocabulary
    on the training split, cut windows that stay within a split. Until then `frame` has no features."""
    text: TextEncoding | None = None
    """Text: how it became token ids, and how new text will."""
    forecast: Forecast | None = None
    """Forecasts: what is predicted from what."""
    measures: Mapping[str, Column] = field(default_factory=dict)
    """More figures for the run's record: aggregates of the frame, by name."""
    decoded: DataFrame | None = None
    """A persisted step between source and frame; to be released once the data is converted."""
    cache: Path | None = None
    """Folder the frame is read from and that can go once the data is converted."""
    official_test: bool | None = None
    """Whether the source itself says which rows are the test set; None: not known without looking."""
    plan: int | None = None
    """A hash of what Spark was asked to read (DataFrame.semanticHash); the same within a session only."""
    row_bytes: int | None = None
    """Bytes of the largest row as the source has it; None: no larger than a sample."""


Table = CanonicalFrame
"""The earlier name of the class, for programs that import it."""
