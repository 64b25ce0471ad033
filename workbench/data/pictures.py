"""Encoded pictures to raw pixels, decoded by Pillow in the task that has the rows."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from nets.errors import ConfigError
from nets.spec import TensorSpec

if TYPE_CHECKING:
    from PIL import Image

MAX_PIXELS = 64 * 2**20
"""Larger pictures are refused before they are decoded: a small file can claim any size."""

_MODES = {1: "L", 3: "RGB", 4: "RGBA"}
ENDINGS = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".tiff", ".webp")
"""Usual endings of picture files."""

_BEGINNINGS = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM", b"II*\0", b"MM\0*", b"RIFF")


def picture_spec(shape: tuple[int, int, int]) -> TensorSpec:
    """The spec of pictures converted to `shape`, (channels, height, width) uint8.

    Raises:
        ConfigError: no picture has that shape.
    """
    if shape[0] not in _MODES or min(shape) < 1:
        raise ConfigError(
            "shape must be (channels, height, width) with 1, 3 or 4 channels and sizes >= 1, "
            f"got {shape}."
        )
    return TensorSpec(kind="image", shape=shape, dtype="uint8")


def decode_all(
    contents: Iterable[bytes | None], spec: TensorSpec, out: np.ndarray
) -> list[str | None]:
    """Decode pictures into the rows of `out`, (n, spec.num_bytes) uint8.

    Content of exactly `spec.num_bytes` bytes without the beginning of a picture file is taken as raw
    pixels.

    Returns:
        for each picture, the reason why it cannot be decoded, or None.
    """
    from PIL import Image

    reasons: list[str | None] = []
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        for row, content in zip(out, contents, strict=True):
            reason = None
            if content is None:
                reason = "the picture is null"
            elif len(content) == spec.num_bytes and not content.startswith(_BEGINNINGS):
                row[:] = np.frombuffer(content, np.uint8)
            else:
                try:
                    row[:] = decode(content, spec).reshape(-1)
                except (OSError, ValueError, SyntaxError) as error:
                    reason = str(error) or type(error).__name__
            reasons.append(reason)
    return reasons


def decode(content: bytes, spec: TensorSpec) -> np.ndarray:
    """One picture as (channels, height, width) uint8.

    It is converted to grey, RGB or RGBA, scaled to cover the target, and cropped to its middle; the
    proportions stay.

    Raises:
        ValueError: it is no picture, is cut short, or is larger than MAX_PIXELS.
    """
    from PIL import Image, UnidentifiedImageError

    if not content:
        raise ValueError("an empty file")
    try:
        with Image.open(io.BytesIO(content)) as opened:
            if opened.width * opened.height > MAX_PIXELS:
                raise ValueError(
                    f"{opened.width}x{opened.height} pixels, more than {MAX_PIXELS} are refused"
                )
            return fit_picture(_eight_bit(opened), spec)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ValueError(f"too many pixels: {error}") from None
    except UnidentifiedImageError:
        raise ValueError("not a picture that Pillow knows") from None


def fit_picture(picture: Image.Image, spec: TensorSpec) -> np.ndarray:
    """A Pillow picture with the spec's channels and size, as (channels, height, width) uint8."""
    from PIL import Image, ImageOps

    channels, height, width = spec.shape
    mode = _MODES[channels]
    if picture.mode != mode:
        picture = picture.convert(mode)
    if picture.size != (width, height):
        picture = ImageOps.fit(picture, (width, height), Image.Resampling.BILINEAR)
    pixels = np.asarray(picture, np.uint8).reshape(height, width, channels)
    return pixels.transpose(2, 0, 1)


def read_shape(content: bytes) -> tuple[int, int, int]:
    """(channels, height, width) of an encoded picture.

    Raises:
        ValueError: it is no picture.
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content)) as opened:
            bands = len(opened.getbands())
            alpha = "A" in opened.getbands() or "transparency" in opened.info
            grey = bands <= 2 and opened.mode != "P"
            return 4 if alpha else 1 if grey else 3, opened.height, opened.width
    except OSError as error:
        raise ValueError(str(error)) from None


def _eight_bit(picture: Image.Image) -> Image.Image:
    """16-bit grey as 8-bit, scaled; Pillow's own conversion clips at 255.

    Mode "I" does not tell how many of its 32 bits are used. A picture with a value above 255 is
    treated as 16-bit.
    """
    if not picture.mode.startswith("I"):
        return picture
    from PIL import Image

    values = np.asarray(picture)
    deep = picture.mode.startswith("I;16") or values.max(initial=0) > 255
    return Image.fromarray((values >> 8 if deep else values).astype(np.uint8), "L")
