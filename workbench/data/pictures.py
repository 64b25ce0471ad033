"""Encoded pictures to raw pixels, by Pillow, where the rows are."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from nets.spec import TensorSpec

if TYPE_CHECKING:
    import pyarrow as pa
    from PIL import Image

MAX_PIXELS = 64 * 2**20
"""Pictures that state more are refused before they are decoded: a small file can claim any size."""

_MODES = {1: "L", 3: "RGB", 4: "RGBA"}


def decode_batches(batches: Iterator[pa.RecordBatch], spec: TensorSpec) -> Iterator[pa.RecordBatch]:
    """Encoded pictures in, encoded samples or the reason why not out, row by row."""
    import pyarrow as pa

    for batch in batches:
        samples: list[bytes | None] = []
        reasons: list[str | None] = []
        for content in batch.column("content"):
            try:
                samples.append(decode(content.as_py(), spec))
                reasons.append(None)
            except (OSError, ValueError, SyntaxError) as error:
                samples.append(None)
                reasons.append(str(error) or type(error).__name__)
        yield pa.RecordBatch.from_arrays(
            [
                pa.array(samples, pa.binary()),
                *(batch.column(name) for name in ("label", "key", "split")),
                pa.array(reasons, pa.string()),
            ],
            ["features", "label", "key", "split", "reason"],
        )


def decode(content: bytes, spec: TensorSpec) -> bytes:
    """One picture as the raw bytes of (channels, height, width) uint8.

    Converted to grey, RGB or RGBA, scaled to cover the target and cut to its middle, so that no
    picture is distorted.

    Raises:
        ValueError: no picture, cut short, or larger than MAX_PIXELS.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    channels, height, width = spec.shape
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(io.BytesIO(content)) as opened:
                if opened.width * opened.height > MAX_PIXELS:
                    raise ValueError(
                        f"{opened.width}x{opened.height} pixels, more than {MAX_PIXELS} are refused"
                    )
                picture = _eight_bit(opened).convert(_MODES[channels])
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise ValueError(f"too many pixels: {error}") from None
        except UnidentifiedImageError:
            raise ValueError("not a picture that Pillow knows") from None
    if picture.size != (width, height):
        picture = ImageOps.fit(picture, (width, height), Image.Resampling.BILINEAR)
    pixels = np.asarray(picture, np.uint8).reshape(height, width, channels)
    return np.ascontiguousarray(pixels.transpose(2, 0, 1)).tobytes()


def _eight_bit(picture: Image.Image) -> Image.Image:
    """16-bit grey as 8-bit: Pillow's own conversion clips at 255 instead of scaling."""
    if not picture.mode.startswith("I"):
        return picture
    from PIL import Image

    values = np.asarray(picture)
    scaled = values >> 8 if values.max(initial=0) > 255 else values
    return Image.fromarray(scaled.astype(np.uint8), "L")
