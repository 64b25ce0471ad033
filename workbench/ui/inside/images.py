"""Arrays to PNG, and a stranger's picture to an array."""

from __future__ import annotations

import base64
import io
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from workbench.data import to_pixels
from workbench.errors import WorkbenchError

MAX_BYTES = 8 * 2**20
MAX_PIXELS = 16_000_000
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")
TYPES = ("png", "jpg", "jpeg", "webp", "bmp", "gif", "tif", "tiff")


class UploadError(WorkbenchError):
    """An uploaded file is no picture that we take. The message says why."""


def png(pixels: NDArray[np.uint8]) -> bytes:
    """(H, W, 3) or (H, W) uint8 as a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def decode(
    content: bytes, shape: tuple[int, int, int], *, top: int = 255, invert: bool = False
) -> NDArray[np.uint8]:
    """An uploaded file as a sample (channels, height, width) uint8 with values 0 to `top`.

    It becomes pixels as the pictures of a training do (`workbench.data.pictures`): upright, scaled by
    its range, transparency over a ground, cut to the sample's proportions around the middle. Checked
    before anything is decoded: bytes, format, pixels. Nothing is written to disk.

    Raises:
        UploadError: too large, not one of the formats, cut short, or not a picture at all.
    """
    if len(content) > MAX_BYTES:
        raise UploadError(
            f"A picture may have at most {MAX_BYTES // 2**20} MB, "
            f"this one has {len(content) / 2**20:.1f} MB."
        )
    channels, height, width = shape
    if channels not in (1, 3):
        raise UploadError(f"This net takes pictures of {channels} channels; upload needs 1 or 3.")
    try:
        decoded = to_pixels(_open(content), (channels, height, width))
    except ValueError as error:
        raise UploadError(f"This picture cannot be used: {error}.") from error
    pixels = decoded.astype(np.float32)
    if invert:
        pixels = 255 - pixels
    scaled: NDArray[Any] = np.round(pixels * (top / 255)).astype(np.uint8)
    return scaled


def _open(content: bytes) -> Image.Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(content), formats=FORMATS)
            if image.width * image.height > MAX_PIXELS:
                raise UploadError(
                    f"A picture may have at most {MAX_PIXELS // 10**6} million pixels, "
                    f"this one has {image.width} x {image.height}."
                )
            image.load()
    except UploadError:
        raise
    except UnidentifiedImageError as error:
        raise UploadError(
            f"This file cannot be read as a picture: it is none of {', '.join(FORMATS)}."
        ) from error
    except (OSError, SyntaxError, ValueError, MemoryError) as error:
        raise UploadError(
            f"This file cannot be read as a picture: it is cut short or damaged ({error or 'no detail'})."
        ) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UploadError(f"This picture unpacks to too many pixels: {error}") from error
    return image


def data_url(pixels: NDArray[np.uint8]) -> str:
    """A small picture as an address that holds it, for a cell of a table."""
    return "data:image/png;base64," + base64.b64encode(png(pixels)).decode()
