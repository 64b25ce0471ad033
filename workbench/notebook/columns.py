"""What the columns of a DataFrame are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Named by a person; what is not named is found."""

    label: str | None = None
    """The column to predict."""
    features: str | Sequence[str] | None = None
    """The columns to predict from; None: all others."""
    shape: Sequence[int] | None = None
    """Of a sample: features; steps, channels; channels, height, width. None: found."""
