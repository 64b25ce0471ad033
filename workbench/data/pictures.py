"""Encoded pictures to raw pixels, by Pillow: one decoder for training, scoring and uploads.

Pictures are turned upright as their EXIF orientation says. Grey of 16 bits and floating point is
scaled by its range. Transparent pictures are laid over white; those that would be one plain colour
there, because all that they show is white, over black.
"""

from __future__ import annotations

import io
import struct
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
ENDINGS = (
    *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".gif", ".bmp", ".tif", ".tiff", ".webp"),
    *(".ppm", ".pgm", ".pbm", ".pnm", ".tga", ".jp2", ".avif", ".heic", ".ico"),
)
"""Usual endings of picture files."""

_ORIENTATION = 0x0112
"""EXIF's tag: how the camera was held."""
_MOST_16 = 65535
_MOST_12 = 4095
"""Cameras and scanners of 12 bits write files of 16. Which range was meant, one picture cannot tell."""
_NEARLY_WHITE = 250
USUAL_SHAPE = (3, 32, 32)
"""What pictures become where nothing else is set: (channels, height, width)."""
_OWN_SIDES = 8, 40
"""Smallest and largest side of pictures that keep their size. A pass over 40 x 40 costs 1.6 times that over
32 x 32."""
SEEN = 64
"""Pictures to look at for `choose_shape`."""
TURNED, FIRST_FRAME, ON_GROUND, RANGED, DARK, GREYED, SCALED, CUT = (1 << bit for bit in range(8))
CHANGES = {
    "turned_upright": TURNED,
    "first_frame": FIRST_FRAME,
    "laid_on_ground": ON_GROUND,
    "range_scaled": RANGED,
    "dark_16_bits": DARK,
    "made_grey": GREYED,
    "scaled": SCALED,
    "cut_to_middle": CUT,
}
"""What was done to a picture: a bit each, by the name of its count."""
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
) -> tuple[list[str | None], np.ndarray]:
    """Decode pictures into the rows of `out`, (n, spec.num_bytes) uint8.

    Content of exactly `spec.num_bytes` bytes without the beginning of a picture file is taken as raw
    pixels.

    Returns:
        for each picture, the reason why it cannot be decoded, or None; and what was done to it, (n,)
        int32 of the bits in `CHANGES`.
    """
    from PIL import Image

    reasons: list[str | None] = []
    changes = np.zeros(len(out), np.int32)
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        for i, (row, content) in enumerate(zip(out, contents, strict=True)):
            reason = None
            if content is None:
                reason = "the picture is null"
            elif len(content) == spec.num_bytes and not content.startswith(_BEGINNINGS):
                row[:] = np.frombuffer(content, np.uint8)
            else:
                try:
                    pixels, changes[i] = decode_and_tell(content, spec)
                    row[:] = pixels.reshape(-1)
                except (OSError, ValueError, SyntaxError) as error:
                    reason = str(error) or type(error).__name__
            reasons.append(reason)
    return reasons, changes


def decode(content: bytes, spec: TensorSpec) -> np.ndarray:
    """One picture as (channels, height, width) uint8, as `to_pixels` makes it.

    Raises:
        ValueError: as `decode_and_tell` does.
    """
    return decode_and_tell(content, spec)[0]


def decode_and_tell(content: bytes, spec: TensorSpec) -> tuple[np.ndarray, int]:
    """One picture as `to_pixels` makes it, and what was done to it: bits of `CHANGES`.

    Raises:
        ValueError: it is no picture, is cut short, has values of no known range, or is larger than
            MAX_PIXELS.
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
            orientation = _read_orientation(opened)  # loading a TIFF takes it away
            pixels = to_pixels(opened, spec.shape)
            return pixels, _list_changes(opened, orientation, spec.shape)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ValueError(f"too many pixels: {error}") from None
    except UnidentifiedImageError:
        raise ValueError("not a picture that Pillow knows") from None


def to_pixels(picture: Image.Image, shape: tuple[int, ...]) -> np.ndarray:
    """A Pillow picture as (channels, height, width) uint8.

    It is turned upright, converted to grey, RGB or RGBA, scaled to cover the target, and cropped to
    its middle; the proportions stay.

    Args:
        shape: (channels, height, width).

    Raises:
        ValueError: its values are of no known range.
    """
    from PIL import Image, ImageOps

    channels, height, width = shape
    mode = _MODES[channels]
    picture = _eight_bit(_turn_upright(picture))
    if mode != "RGBA" and picture.has_transparency_data:
        picture = _lay_on_ground(picture)
    if picture.mode != mode:
        picture = picture.convert(mode)
    if picture.size != (width, height):
        picture = ImageOps.fit(picture, (width, height), Image.Resampling.BILINEAR)
    pixels = np.asarray(picture, np.uint8).reshape(height, width, channels)
    return pixels.transpose(2, 0, 1)


def read_shape(content: bytes) -> tuple[int, int, int]:
    """(channels, height, width) of an encoded picture, upright.

    Raises:
        ValueError: it is no picture.
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content)) as opened:
            bands = len(opened.getbands())
            alpha = "A" in opened.getbands() or "transparency" in opened.info
            grey = bands <= 2 and opened.mode != "P"
            height, width = opened.height, opened.width
            # It lies on its side. Pillow gives the size of a TIFF upright.
            if opened.format != "TIFF" and _read_orientation(opened) >= 5:
                height, width = width, height
            return 4 if alpha else 1 if grey else 3, height, width
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(str(error)) from None


def choose_shape(contents: Iterable[bytes]) -> tuple[int, int, int] | None:
    """The shape for pictures such as these; None: `USUAL_SHAPE`.

    One channel where all are grey, and their own size where all have the same small one. What cannot be
    read does not count.
    """
    shapes = set()
    for content in contents:
        try:
            channels, height, width = read_shape(content)
        except ValueError:
            continue
        shapes.add((3 if channels == 4 else channels, height, width))
    channels = max((shape[0] for shape in shapes), default=3)
    height, width = shapes.pop()[1:] if len({shape[1:] for shape in shapes}) == 1 else (0, 0)
    if min(height, width) >= _OWN_SIDES[0] and max(height, width) <= _OWN_SIDES[1]:
        return channels, height, width
    return (1, *USUAL_SHAPE[1:]) if channels == 1 else None


def _list_changes(picture: Image.Image, orientation: int, shape: tuple[int, ...]) -> int:
    """What `to_pixels` did to a picture, as bits of `CHANGES`."""
    channels, height, width = shape
    size = picture.size
    if orientation >= 5 and picture.format != "TIFF":  # Pillow gives the size of a TIFF upright
        size = size[::-1]
    grey = picture.mode in ("1", "L", "LA") or picture.mode.startswith(("I", "F"))
    transparent = picture.has_transparency_data
    if transparent and channels != 4:
        transparent = picture.convert("RGBA").getchannel("A").getextrema() != (255, 255)
    done = {
        TURNED: orientation != 1,
        FIRST_FRAME: _has_frames(picture),
        ON_GROUND: channels != 4 and transparent,
        RANGED: picture.mode.startswith(("I", "F")),
        DARK: _is_deep(picture) and np.asarray(picture).max(initial=0) <= _MOST_12,
        GREYED: channels == 1 and not grey,
        SCALED: size != (width, height),
        CUT: size[0] * height != size[1] * width,
    }
    return sum(bit for bit, is_done in done.items() if is_done)


def _has_frames(picture: Image.Image) -> bool:
    """Whether it has more than one frame or page; where these are damaged, the first one is good."""
    try:
        return bool(getattr(picture, "is_animated", False))
    except (OSError, ValueError, SyntaxError, EOFError):
        return False


def _turn_upright(picture: Image.Image) -> Image.Image:
    from PIL import Image

    picture.load()  # this turns TIFF upright
    orientation = _read_orientation(picture)
    if orientation == 1:
        return picture
    turn = Image.Transpose
    return picture.transpose(
        {
            2: turn.FLIP_LEFT_RIGHT,
            3: turn.ROTATE_180,
            4: turn.FLIP_TOP_BOTTOM,
            5: turn.TRANSPOSE,
            6: turn.ROTATE_270,
            7: turn.TRANSVERSE,
            8: turn.ROTATE_90,
        }[orientation]
    )


def _read_orientation(picture: Image.Image) -> int:
    """EXIF's orientation, 1 to 8; 1 (upright) where there is none, or one that cannot be read."""
    try:
        orientation = picture.getexif().get(_ORIENTATION, 1)
    except (OSError, ValueError, SyntaxError, KeyError, TypeError, struct.error):
        return 1
    return orientation if orientation in range(1, 9) else 1


def _lay_on_ground(picture: Image.Image) -> Image.Image:
    """A transparent picture over white, or over black where nothing would be seen on white."""
    from PIL import Image

    drawn = picture.convert("RGBA")
    opacity = drawn.getchannel("A").getextrema()
    if opacity == (255, 255):
        return drawn.convert("RGB")
    on_white = Image.alpha_composite(Image.new("RGBA", drawn.size, "white"), drawn).convert("RGB")
    if np.any(opacity) and np.asarray(on_white).min() >= _NEARLY_WHITE:
        black = Image.new("RGBA", drawn.size, "black")
        return Image.alpha_composite(black, drawn).convert("RGB")
    return on_white


def _eight_bit(picture: Image.Image) -> Image.Image:
    """Grey of 16 bits or floating point as 8-bit, scaled; Pillow's own conversion clips at 255.

    Mode "I" does not tell how many of its 32 bits are used. A picture with a value above 255 is
    treated as 16-bit. Floating point is taken for 0 to 1, 0 to 255 or 0 to 65535, the smallest range
    that holds the values.
    """
    if not picture.mode.startswith(("I", "F")):
        return picture
    from PIL import Image

    values = np.asarray(picture)
    low, high = values.min(initial=0), values.max(initial=0)
    if not (low >= 0 and high <= _MOST_16):  # also refuses NaN
        raise ValueError(
            f"values from {low:g} to {high:g}, known ranges are 0 to 1, 0 to 255 and 0 to 65535"
        )
    if picture.mode == "F":
        top = next(top for top in (1, 255, _MOST_16) if high <= top)
        scaled = np.round(values * (255 / top)).astype(np.uint8)
    else:
        scaled = (values >> 8 if _is_deep(picture) else values).astype(np.uint8)
    return Image.fromarray(scaled)


def _is_deep(picture: Image.Image) -> bool:
    """Whether it is grey of 16 bits."""
    return picture.mode.startswith("I;16") or (
        picture.mode == "I" and np.asarray(picture).max(initial=0) > 255  # its 32 bits hold 8 or 16
    )
