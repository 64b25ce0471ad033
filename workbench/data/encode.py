"""Arrow batches of a user's columns as canonical rows; a row that cannot become one gets a reason.

This runs in Spark's Python workers and uses arrays only, no Spark. Only pictures and sounds are
decoded in a loop over rows.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from nets.spec import TensorSpec
from workbench.data import sounds
from workbench.data.pictures import decode_all, to_pixels
from workbench.data.rows import binary

if TYPE_CHECKING:
    import pyarrow as pa

SPLITS = ("train", "validation", "test")

Encoding = Literal["pictures", "sounds", "raw", "structs", "numbers"]

_UNUSABLE = "a feature that is null, NaN or infinite"

_SLICE_BYTES = 8 * 2**20
"""Features that a task encodes at once, however many rows Spark sends in one batch."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How the columns of an Arrow batch become canonical rows."""

    encoding: Encoding
    """Content of `features`: encoded pictures (bytes, or text in base64), encoded sounds (bytes),
    samples as raw bytes, Spark's image structs, or lists of numbers."""
    spec: TensorSpec
    labels: tuple[str, ...] | None
    """Class names by index; None for measured values."""
    num_outputs: int
    """Number of classes, or of measured values in a row."""
    names: tuple[str, ...] = ()
    """Names of a vector's features, for the reasons; (): they have none."""


def canonical_rows(batches: Iterator[pa.RecordBatch], recipe: Recipe) -> Iterator[pa.RecordBatch]:
    """Rows with features (binary), label, key, split, the optional columns, and reason; of pictures and
    sounds, also `changes`.

    Args:
        batches: features; label as text (classes) or doubles; key, split; optional are length,
            weight, group, time.
    """
    step = max(1, _SLICE_BYTES // recipe.spec.num_bytes)
    for batch in batches:
        for start in range(0, batch.num_rows, step):
            yield _encode_batch(batch.slice(start, step), recipe)


def _encode_batch(batch: pa.RecordBatch, recipe: Recipe) -> pa.RecordBatch:
    import pyarrow as pa

    columns = {name: batch.column(name) for name in batch.schema.names}
    spec = recipe.spec
    changes = None
    lengths = None
    if recipe.encoding == "sounds":
        samples, reasons, changes = encode_sounds(columns["features"], spec)
    elif recipe.encoding == "pictures":
        samples, reasons, changes = encode_pictures(columns["features"], spec)
    else:
        samples, reasons, lengths = encode_features(columns["features"], recipe.encoding, spec)
    if len(recipe.names) == spec.shape[0] > 1 and recipe.encoding == "numbers":
        _name_features(columns["features"], recipe.names, reasons)
    label = _encode_label(columns["label"], recipe, reasons)
    for name in ("split", "weight", "length"):
        if name in columns:
            _check(name, columns[name], spec, reasons)
    for name in ("key", "group", "time"):
        if name in columns:
            null = columns[name].is_null().to_numpy(zero_copy_only=False)
            _set_reason(reasons, null, f"the {name} is null")
    out = {
        "features": binary(samples),
        "label": label,
        "key": columns["key"].fill_null(""),
        "split": columns["split"],
    }
    if "length" in columns:
        out["length"] = columns["length"]
    elif lengths is not None:
        out["length"] = pa.array(lengths, pa.int32())
    out |= {name: columns[name] for name in ("weight", "group", "time") if name in columns}
    out["reason"] = pa.array(reasons, pa.string())
    if changes is not None:
        out["changes"] = pa.array(changes, pa.int32())
    return pa.RecordBatch.from_pydict(out)


def encode_features(
    column: pa.Array, encoding: Encoding, spec: TensorSpec
) -> tuple[np.ndarray, list[str | None], np.ndarray | None]:
    """A column's values as samples.

    Returns:
        samples (n, spec.num_bytes) uint8; for each, the reason why the value is unusable, or None;
        lengths (n,) int32 where a value may have fewer steps than the spec, else None.
    """
    if encoding == "sounds":
        return *encode_sounds(column, spec)[:2], None
    if encoding == "pictures":
        return *encode_pictures(column, spec)[:2], None
    samples = np.zeros((len(column), spec.num_bytes), np.uint8)
    if encoding == "numbers":
        return samples, *_encode_numbers(column, spec, samples)
    return samples, _READERS[encoding](column, spec, samples), None


def encode_sounds(
    column: pa.Array, spec: TensorSpec
) -> tuple[np.ndarray, list[str | None], np.ndarray]:
    """Encoded sounds as samples (n, spec.num_bytes) uint8, reasons, and what was done to each (n,)."""
    samples = np.zeros((len(column), spec.num_bytes), np.uint8)
    return samples, *sounds.decode_all((value.as_py() for value in column), spec, samples)


def _name_features(column: pa.Array, names: tuple[str, ...], reasons: list[str | None]) -> None:
    """Add the first unusable feature's name to the reason of each row that has none yet."""
    for row, reason in enumerate(reasons):
        if reason == _UNUSABLE:
            values = column[row].as_py() or []
            odd = [
                n for n, v in zip(names, values, strict=False) if v is None or not math.isfinite(v)
            ]
            reasons[row] = f"{reason}: {odd[0]}" if odd else reason


def has_variable_length(spec: TensorSpec) -> bool:
    """Whether a list may have fewer steps than the spec. It is padded then, and its length kept."""
    return spec.kind in ("tokens", "series")


def _set_reason(reasons: list[str | None], rows: np.ndarray, reason: str) -> None:
    """Set the reason of those rows, unless a row has one."""
    for row in np.flatnonzero(rows):
        reasons[row] = reasons[row] or reason


# ---- features: `samples` is (n, spec.num_bytes) uint8


def encode_pictures(
    column: pa.Array, spec: TensorSpec
) -> tuple[np.ndarray, list[str | None], np.ndarray]:
    """Encoded pictures as samples (n, spec.num_bytes) uint8, reasons, and what was done to each (n,).

    Args:
        column: bytes, or text in base64.
    """
    import pyarrow as pa

    samples = np.zeros((len(column), spec.num_bytes), np.uint8)
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return samples, *decode_all((value.as_py() for value in column), spec, samples)
    contents, wrong = [], []
    for value in column.to_pylist():
        try:
            contents.append(None if value is None else _decode_base64(value))
            wrong.append(False)
        except (binascii.Error, ValueError):
            contents.append(b"")
            wrong.append(True)
    reasons, changes = decode_all(contents, spec, samples)
    for row in np.flatnonzero(wrong):
        reasons[row] = "text that is no picture in base64"
    return samples, reasons, changes


def _decode_base64(text: str) -> bytes:
    """Text in base64, maybe with line breaks, as the data of a URL (`data:image/png;base64,`), or
    with the letters of URLs (- and _).

    Raises:
        binascii.Error: it is no base64.
    """
    head, comma, rest = text.partition(",")
    text = rest if comma and head.lstrip().lower().startswith("data:") else text
    plain = "".join(text.split()).replace("-", "+").replace("_", "/").rstrip("=")
    return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)


def _encode_raw(column: pa.Array, spec: TensorSpec, samples: np.ndarray) -> list[str | None]:
    reasons: list[str | None] = [None] * len(column)
    size = np.diff(_offsets(column))
    null = column.is_null().to_numpy(zero_copy_only=False)
    good = (size == spec.num_bytes) & ~null
    values = np.frombuffer(column.buffers()[2] or b"", np.uint8)
    starts = _offsets(column)[:-1]
    if good.all() and len(column):
        samples[:] = values[starts[0] : starts[0] + samples.size].reshape(samples.shape)
    else:
        for row in np.flatnonzero(good):
            samples[row] = values[starts[row] : starts[row] + spec.num_bytes]
    _set_reason(reasons, null, "the features are null")
    for row in np.flatnonzero(~good & ~null):
        reasons[row] = f"{size[row]} bytes, {spec.num_bytes} are a sample {spec.shape} {spec.dtype}"
    if spec.dtype != "uint8":
        values = samples.view(spec.dtype)
        _check_values(values, spec, np.ones(len(values), bool), reasons)
    return reasons


def _encode_structs(column: pa.Array, spec: TensorSpec, samples: np.ndarray) -> list[str | None]:
    """Spark's image format: rows of pixels from the top, channels in OpenCV's order (BGR, BGRA)."""
    from PIL import Image

    reasons: list[str | None] = []
    for sample, value in zip(samples, column.to_pylist(), strict=True):
        reason = None
        if value is None or value["data"] is None:
            reason = "the picture is null"
        else:
            height, width, channels = value["height"], value["width"], value["nChannels"]
            data = value["data"]
            if channels not in (1, 3, 4) or len(data) != height * width * channels or not data:
                reason = f"{len(data)} bytes for {height}x{width} pixels of {channels} channels"
            else:
                pixels = np.frombuffer(data, np.uint8).reshape(height, width, channels)
                order = [[0], [], [2, 1, 0], [2, 1, 0, 3]][channels - 1]
                swapped = np.ascontiguousarray(pixels[:, :, order])
                picture = Image.fromarray(swapped[:, :, 0] if channels == 1 else swapped)
                sample[:] = to_pixels(picture, spec.shape).reshape(-1)
        reasons.append(reason)
    return reasons


_READERS: dict[str, Any] = {
    "raw": _encode_raw,
    "structs": _encode_structs,
}


def _encode_numbers(
    column: pa.Array, spec: TensorSpec, samples: np.ndarray
) -> tuple[list[str | None], np.ndarray | None]:
    """Lists of numbers; those of tokens and series may be shorter and are padded with zeros."""
    full = math.prod(spec.shape)
    step = full // spec.shape[0]
    out = samples.view(spec.dtype)
    offsets = _offsets(column)
    sizes = np.diff(offsets)
    null = column.is_null().to_numpy(zero_copy_only=False)
    fits = sizes == full
    if has_variable_length(spec):
        fits = (sizes > 0) & (sizes <= full) & (sizes % step == 0)
    fits &= ~null
    flat = column.values.slice(offsets[0], offsets[-1] - offsets[0]).to_numpy(zero_copy_only=False)
    values = np.zeros((len(column), full), np.float64)
    present = np.arange(full) < np.where(fits, sizes, 0)[:, None]
    values[present] = flat[np.repeat(fits, sizes)]
    reasons: list[str | None] = [None] * len(column)
    _set_reason(reasons, null, "the features are null")
    for row in np.flatnonzero(~fits & ~null):
        most = "at most " if has_variable_length(spec) else ""
        reasons[row] = f"{sizes[row]} numbers, {most}{full} are a sample {spec.shape}"
    if spec.dtype == "uint8":
        odd = (values != np.round(values)) | (values < 0) | (values > 255)
        _set_reason(reasons, odd.any(axis=1), "a value that is no whole number from 0 to 255")
    _check_values(values, spec, fits, reasons)
    usable = np.array([reason is None for reason in reasons])
    with np.errstate(over="ignore"):
        out[usable] = values[usable].astype(spec.dtype)
    return reasons, (sizes // step).astype(np.int32) if has_variable_length(spec) else None


def _check_values(
    values: np.ndarray, spec: TensorSpec, rows: np.ndarray, reasons: list[str | None]
) -> None:
    """Set reasons for numbers that no net can take. values: (n, prod(shape))."""
    if spec.dtype == "float32":
        with np.errstate(over="ignore"):
            odd = ~np.isfinite(values.astype(np.float32)).all(axis=1)
        _set_reason(reasons, rows & odd, _UNUSABLE)
    if spec.kind == "tokens":
        odd = ~((values >= 0) & (values < (spec.vocabulary_size or 0))).all(axis=1)
        _set_reason(reasons, rows & odd, f"a token id outside 0 to {spec.vocabulary_size} - 1")


def _offsets(column: pa.Array) -> np.ndarray:
    """Where each value of a binary or list array begins, and where the last one ends, (n + 1,)."""
    width = np.int64 if str(column.type).startswith("large") else np.int32
    offsets = np.frombuffer(column.buffers()[1] or b"", width)
    return offsets[column.offset : column.offset + len(column) + 1].astype(np.int64)


# ---- label, split, weight, length


def _encode_label(column: pa.Array, recipe: Recipe, reasons: list[str | None]) -> pa.Array:
    """Class index (int64) or value(s) (float64, or lists of float32)."""
    import pyarrow as pa
    import pyarrow.compute as pc

    null = column.is_null().to_numpy(zero_copy_only=False)
    _set_reason(reasons, null, "the label is null or NaN")
    if recipe.labels is not None:
        index = pc.index_in(column, value_set=pa.array(recipe.labels, column.type))
        unknown = index.is_null().to_numpy(zero_copy_only=False) & ~null
        for row in np.flatnonzero(unknown):
            few = len(recipe.labels)
            reasons[row] = reasons[row] or f"the label {column[row].as_py()!r} is none of {few}"
        return index.fill_null(0).cast(pa.int64())
    if not pa.types.is_list(column.type):
        values = column.fill_null(0).to_numpy(zero_copy_only=False)
        _set_reason(reasons, ~np.isfinite(values), "the label is not a finite number")
        return pa.array(values, pa.float64())
    values = np.zeros((len(column), recipe.num_outputs), np.uint32).view(np.float32)
    spec = TensorSpec(kind="vector", shape=(recipe.num_outputs,))
    label_reasons, _ = _encode_numbers(column, spec, values.view(np.uint8))
    for i, reason in enumerate(label_reasons):
        if reason is not None:
            reasons[i] = reasons[i] or f"the label: {reason}"
    bounds = np.arange(len(column) + 1, dtype=np.int32) * recipe.num_outputs
    return pa.ListArray.from_arrays(bounds, values.reshape(-1))


def _check(name: str, column: pa.Array, spec: TensorSpec, reasons: list[str | None]) -> None:
    import pyarrow.compute as pc

    if name == "split":
        odd = pc.invert(pc.is_in(column, value_set=_splits(column)))
        rows = odd.to_numpy(zero_copy_only=False) & column.is_valid().to_numpy(zero_copy_only=False)
        _set_reason(reasons, rows, f"a split that is none of {', '.join(SPLITS)}")
        return
    values = column.cast("float64").to_numpy(zero_copy_only=False)
    if name == "weight":
        _set_reason(
            reasons, ~(np.isfinite(values) & (values >= 0)), "a weight that is no number >= 0"
        )
    else:
        rows = ~((values >= 1) & (values <= spec.shape[0]))
        _set_reason(reasons, rows, f"a length outside 1 to {spec.shape[0]}")


def _splits(column: pa.Array) -> pa.Array:
    import pyarrow as pa

    return pa.array(SPLITS, column.type)
