"""The canonical DataFrame: what every source becomes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nets.spec import TensorSpec

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


@dataclass(frozen=True, kw_only=True)
class Table:
    """Samples in Spark, one a row, and what they are."""

    frame: DataFrame
    """features (binary: the sample's raw bytes), label (long, or double and array<float> for
    regression), key (string, unique: where the row came from), split (string), and where the data
    has them length (int) and weight (float)."""
    spec: TensorSpec
    """Shape and dtype of a sample."""
    labels: tuple[str, ...] | None
    """Class names by index; None for regression."""
    num_outputs: int
    """Classes, or values to predict."""
    bad: DataFrame | None = None
    """Rows set aside: key, reason; None where a source cannot have any."""
    vocabulary: tuple[str, ...] | None = None
    """Text: the tokens by id; 0 is padding, 1 unknown."""
    decoded: DataFrame | None = None
    """A persisted step between source and frame; to be released once the data is converted."""
    cache: Path | None = None
    """Folder the frame is read from and that can go once the data is converted."""
    official_test: bool | None = None
    """Whether the source itself says which rows are the test set; None: not known without looking."""
