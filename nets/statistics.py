"""Figures of the training split, from sums that any partition of the data can compute alone and that
merge without loss, so that Spark computes them where the rows are. (No torch here: its import would
be most of the time of a Spark task.)
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nets.errors import ConfigError

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Statistics:
    """Figures of the training split, per feature of the flattened sample."""

    count: int
    minimum: Floats
    maximum: Floats
    mean: Floats
    variance: Floats
    """Population variance (divided by count)."""
    covariance: Floats | None = None
    """(features, features); None unless `Sums` had `outer`."""


class Sums:
    """Running count, mean and co-moments; parts merge exactly (Chan, Golub & LeVeque 1983)."""

    def __init__(self, num_features: int, *, outer: bool = False) -> None:
        """
        Args:
            outer: also the features x features co-moments, for pca and zca.
        """
        self.count = 0
        self.minimum = np.full(num_features, np.inf)
        self.maximum = np.full(num_features, -np.inf)
        self.mean = np.zeros(num_features)
        self.moment = np.zeros((num_features, num_features) if outer else num_features)
        """Sum of squared (or outer products of) differences from the mean."""

    @property
    def outer(self) -> bool:
        return self.moment.ndim == 2

    def add(self, rows: NDArray[Any]) -> None:
        """Add (n, features) rows of any real dtype."""
        if not len(rows):
            return
        part = Sums(len(self.mean), outer=self.outer)
        values = rows.astype(np.float64, copy=False)
        part.count = len(values)
        part.minimum, part.maximum = values.min(axis=0), values.max(axis=0)
        part.mean = values.mean(axis=0)
        centred = values - part.mean
        part.moment = centred.T @ centred if self.outer else np.einsum("ij,ij->j", centred, centred)
        self.merge(part)

    def merge(self, other: Sums) -> None:
        """Add the sums of another part of the rows."""
        total = self.count + other.count
        if not other.count:
            return
        delta = other.mean - self.mean
        spread = np.outer(delta, delta) if self.outer else delta**2
        self.moment = self.moment + other.moment + spread * (self.count * other.count / total)
        self.mean = self.mean + delta * (other.count / total)
        self.minimum = np.minimum(self.minimum, other.minimum)
        self.maximum = np.maximum(self.maximum, other.maximum)
        self.count = total

    def statistics(self) -> Statistics:
        """The figures.

        Raises:
            ConfigError: no rows were added.
        """
        if not self.count:
            raise ConfigError("statistics need at least one training row, got none.")
        moment = self.moment / self.count
        return Statistics(
            count=self.count,
            minimum=self.minimum,
            maximum=self.maximum,
            mean=self.mean,
            variance=np.diagonal(moment).copy() if self.outer else moment,
            covariance=moment if self.outer else None,
        )

    def to_bytes(self) -> bytes:
        """For the way from a Spark task to the driver."""
        buffer = io.BytesIO()
        np.savez(
            buffer,
            count=self.count,
            minimum=self.minimum,
            maximum=self.maximum,
            mean=self.mean,
            moment=self.moment,
        )
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> Sums:
        """The inverse of `to_bytes`; runs no code from the content."""
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            sums = cls(len(arrays["mean"]), outer=arrays["moment"].ndim == 2)
            sums.count = int(arrays["count"])
            sums.minimum, sums.maximum = arrays["minimum"], arrays["maximum"]
            sums.mean, sums.moment = arrays["mean"], arrays["moment"]
        return sums
