"""Figures of the training split, summed where the rows are."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from nets.errors import ConfigError
from nets.spec import TensorSpec
from nets.statistics import Statistics, Sums
from workbench.data.canonical import CanonicalFrame
from workbench.spark_session import count_slots

if TYPE_CHECKING:
    import pyarrow as pa

    from nets.mel import SpectrogramConfig
    from nets.prepare import PreparationConfig


def fit_statistics(canonical: CanonicalFrame, preparation: PreparationConfig) -> Statistics | None:
    """Statistics of the training split for the preparation; None where it needs none.

    Each task sums its own rows and sends a few kilobytes to the driver (features squared for pca and
    zca). For series with lengths, the figures are per channel, and padded steps do not count. Those of
    sounds are of the bands of their spectrograms.

    Raises:
        ConfigError: pca or zca of samples with varying length, or of sounds.
    """
    if preparation.method == "none" or canonical.spec.kind == "tokens":
        return None
    if canonical.spec.kind == "sound":
        return _fit_sounds(canonical, preparation)
    spec, outer = canonical.spec, preparation.needs_covariance
    varying = spec.kind == "series" and "length" in canonical.frame.columns
    if varying and outer:
        shortest = canonical.frame.where("split = 'train'").agg({"length": "min"}).collect()[0][0]
        varying = shortest is not None and shortest < spec.shape[0]
    if varying and outer:
        raise ConfigError(
            f"preparation.method {preparation.method!r} needs samples of one length, got series of "
            "varying length. Use standardize, center or scale."
        )
    columns = ["features"] + (["length"] if varying else [])
    return _sum_rows(canonical, columns, lambda batches: sum_features(batches, spec, outer))


def _fit_sounds(canonical: CanonicalFrame, preparation: PreparationConfig) -> Statistics:
    if preparation.needs_covariance:
        from nets.prepare import check_sounds

        check_sounds(preparation)
    spec, config = canonical.spec, preparation.spectrogram
    return _sum_rows(canonical, ["features"], lambda batches: sum_sounds(batches, spec, config))


def sum_sounds(
    batches: Iterator[pa.RecordBatch], spec: TensorSpec, config: SpectrogramConfig
) -> Sums:
    """Sums over a partition for each band of the sounds' spectrograms; all frames count alike."""
    from nets.mel import log_mel

    sums = Sums(config.num_bands)
    for batch in batches:
        samples = _read_samples(batch, spec)
        for start in range(0, len(samples), _SOUNDS):
            bands = log_mel(samples[start : start + _SOUNDS], config, spec)
            sums.add(bands.reshape(-1, config.num_bands))
    return sums


_SOUNDS = 64
"""Sounds whose spectrograms are in memory at once."""


def fit_targets(canonical: CanonicalFrame, preparation: PreparationConfig) -> Statistics | None:
    """Figures of measured labels in the training split, one per output; None for classes.

    With `targets="change"`, the figures are of the difference to the last value of the channel that
    is forecast.

    Raises:
        ConfigError: `targets` is "change", and the labels are no forecast.
    """
    if canonical.labels is not None or preparation.targets == "none":
        return None
    channels = None
    if preparation.targets == "change":
        if canonical.forecast is None:
            raise ConfigError(
                "preparation.targets 'change' needs a forecast (a source of kind series with "
                "targets), and these labels are none. Set it to standardize."
            )
        channels = canonical.forecast.channels
    spec, num = canonical.spec, canonical.num_outputs
    columns = ["label", *(["features"] if channels else [])]
    return _sum_rows(canonical, columns, lambda batches: sum_targets(batches, spec, num, channels))


def _sum_rows(
    canonical: CanonicalFrame,
    columns: list[str],
    sum_batches: Callable[[Iterator[pa.RecordBatch]], Sums],
) -> Statistics:
    import pyarrow as pa
    from pyspark.sql import functions as F

    def sums(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        part = sum_batches(batches).to_bytes()
        yield pa.RecordBatch.from_arrays([pa.array([part], pa.binary())], ["sums"])

    # One result per task slot, not per partition: the sums of large samples are megabytes each.
    slots = count_slots(canonical.frame.sparkSession)
    rows = canonical.frame.where(F.col("split") == "train").select(*columns).coalesce(slots)
    total: Sums | None = None
    for row in rows.mapInArrow(sums, "sums binary").collect():
        part = Sums.from_bytes(bytes(row["sums"]))
        if part.count and total is not None:
            total.merge(part)
        elif part.count:
            total = part
    return (total or Sums(1)).statistics()


def sum_features(batches: Iterator[pa.RecordBatch], spec: TensorSpec, outer: bool) -> Sums:
    """Sums over a partition for each feature, or for each channel where samples have lengths."""
    sums: Sums | None = None
    for batch in batches:
        samples = _read_samples(batch, spec)
        varying = "length" in batch.schema.names
        if sums is None:
            sums = Sums(spec.shape[-1] if varying else math.prod(spec.shape), outer=outer)
        if varying:
            length = batch.column("length").to_numpy()
            sums.add(samples[np.arange(spec.shape[0]) < length[:, None]])
        else:
            sums.add(samples.reshape(batch.num_rows, -1))
    return sums or Sums(math.prod(spec.shape), outer=outer)


def sum_targets(
    batches: Iterator[pa.RecordBatch],
    spec: TensorSpec,
    num_outputs: int,
    channels: tuple[int, ...] | None,
) -> Sums:
    """The sums of a partition's labels.

    Args:
        channels: for each output, the channel whose last value is subtracted; None: nothing is.
    """
    sums = Sums(num_outputs)
    for batch in batches:
        column = batch.column("label")
        flat = column.flatten() if hasattr(column, "flatten") else column
        labels = flat.to_numpy(zero_copy_only=False).reshape(batch.num_rows, num_outputs)
        if channels is not None:
            labels = labels - _read_samples(batch, spec)[:, -1, list(channels)]
        sums.add(labels)
    return sums


def _read_samples(batch: pa.RecordBatch, spec: TensorSpec) -> np.ndarray:
    raw = b"".join(value.as_buffer() for value in batch.column("features"))
    return np.frombuffer(raw, spec.dtype).reshape(batch.num_rows, *spec.shape)
