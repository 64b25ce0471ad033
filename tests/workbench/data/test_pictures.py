"""The decoder of pictures: orientation, ranges, transparency, base64."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from nets.spec import TensorSpec
from workbench.data.encode import encode_features
from workbench.data.pictures import CHANGES, decode, decode_and_tell, read_shape


def spec(channels: int = 3, height: int = 2, width: int = 2) -> TensorSpec:
    return TensorSpec(kind="image", shape=(channels, height, width), dtype="uint8")


def encoded(picture: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return buffer.getvalue()


def with_orientation(picture: Image.Image, orientation: int, form: str) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(picture, form, exif=exif)


UPRIGHT = np.array([[0, 60, 120], [180, 210, 250]], np.uint8)
AS_STORED = {
    1: UPRIGHT,
    2: np.fliplr(UPRIGHT),
    3: np.rot90(UPRIGHT, 2),
    4: np.flipud(UPRIGHT),
    5: UPRIGHT.T,
    6: np.rot90(UPRIGHT, 1),
    7: np.rot90(UPRIGHT.T, 2),
    8: np.rot90(UPRIGHT, -1),
}
"""How EXIF's orientations store an upright picture (https://exiftool.org/TagNames/EXIF.html)."""


@pytest.mark.parametrize("orientation", AS_STORED)
@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_pictures_are_upright(orientation: int, form: str) -> None:
    stored = Image.fromarray(np.ascontiguousarray(AS_STORED[orientation]))
    content = with_orientation(stored, orientation, form)
    assert decode(content, spec(1, 2, 3)).tolist() == [UPRIGHT.tolist()]
    assert read_shape(content) == (1, 2, 3)


def test_a_phones_jpeg_is_upright() -> None:
    stored = Image.new("RGB", (64, 32), "white")
    stored.paste("black", (0, 0, 32, 32))  # the left half is the top once it is turned
    pixels = decode(with_orientation(stored, 8, "JPEG"), spec(3, 64, 32))
    assert pixels[:, 40:].max() < 30 and pixels[:, :24].min() > 220


@pytest.mark.parametrize("orientation", [0, 9, 77])
def test_an_orientation_that_does_not_exist_changes_nothing(orientation: int) -> None:
    content = with_orientation(Image.fromarray(UPRIGHT), orientation, "PNG")
    assert decode(content, spec(1, 2, 3)).tolist() == [UPRIGHT.tolist()]


@pytest.mark.parametrize(
    ("values", "pixels"),
    [
        ([[0.0, 0.5], [1.0, 0.25]], [[0, 128], [255, 64]]),
        ([[0.0, 128.0], [255.0, 1.0]], [[0, 128], [255, 1]]),
        ([[0.0, 32896.0], [65535.0, 257.0]], [[0, 128], [255, 1]]),
    ],
)
def test_floating_point_is_scaled_by_its_range(
    values: list[list[float]], pixels: list[list[int]]
) -> None:
    content = encoded(Image.fromarray(np.array(values, np.float32)), "TIFF")
    assert decode(content, spec(1)).tolist() == [pixels]
    assert decode(content, spec(3)).tolist() == [pixels] * 3


@pytest.mark.parametrize("values", [[[-1.0, 1.0]], [[0.0, 1e6]], [[float("nan"), 1.0]]])
def test_values_of_no_known_range_are_refused(values: list[list[float]]) -> None:
    content = encoded(Image.fromarray(np.array(values, np.float32)), "TIFF")
    with pytest.raises(ValueError, match=r"values from .* known ranges are 0 to 1, 0 to 255"):
        decode(content, spec(1, 1, 2))


def test_sixteen_bits_lying_on_their_side_are_scaled_and_turned() -> None:
    stored = Image.fromarray(np.ascontiguousarray(AS_STORED[6]).astype(np.uint16) * 256)
    content = with_orientation(stored, 6, "PNG")
    assert decode(content, spec(1, 2, 3)).tolist() == [UPRIGHT.tolist()]


def drawing(colour: tuple[int, int, int]) -> Image.Image:
    """A picture of one colour whose left half alone is opaque."""
    picture = Image.new("RGBA", (2, 2), (*colour, 0))
    picture.paste((*colour, 255), (0, 0, 1, 2))
    return picture


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("colour", "left", "right"),
    [((0, 0, 0), 0, 255), ((90, 90, 90), 90, 255), ((255, 255, 255), 255, 0)],
)
def test_a_drawing_in_the_alpha_channel_is_seen(
    channels: int, colour: tuple[int, int, int], left: int, right: int
) -> None:
    for picture in (drawing(colour), drawing(colour).convert("LA")):
        pixels = decode(encoded(picture), spec(channels))
        assert pixels[..., 0].tolist() == [[left, left]] * channels
        assert pixels[..., 1].tolist() == [[right, right]] * channels


def test_a_transparent_colour_of_a_palette_is_the_ground() -> None:
    palette = Image.new("P", (2, 2), 0)
    palette.putpalette([200, 0, 0, 0, 0, 200])
    palette.putpixel((0, 0), 1)
    pixels = decode(encoded(palette, transparency=0), spec(3))
    assert pixels[:, 0, 0].tolist() == [0, 0, 200] and pixels[:, 1, 1].tolist() == [255] * 3


def test_four_channels_keep_their_transparency() -> None:
    pixels = decode(encoded(drawing((9, 9, 9))), spec(4))
    assert pixels[3].tolist() == [[255, 0], [255, 0]] and pixels[0].tolist() == [[9, 9], [9, 9]]


@pytest.mark.parametrize(
    "wrap",
    [
        lambda text: text,
        lambda text: f"data:image/png;base64,{text}",
        lambda text: f"  data:image/png;charset=utf-8;base64, {text}\n",
        lambda text: "\r\n".join(text[i : i + 20] for i in range(0, len(text), 20)),
        lambda text: text.rstrip("="),
        lambda text: text.replace("+", "-").replace("/", "_"),
    ],
)
def test_base64_as_people_write_it(wrap: Any) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (2, 2), np.uint8)
    text = wrap(base64.b64encode(encoded(Image.fromarray(noise))).decode())
    samples, reasons, _ = encode_features(pa.array([text]), "pictures", spec(1))
    assert reasons == [None]
    assert samples.tolist() == [noise.reshape(-1).tolist()]


def test_text_that_is_no_base64_is_a_bad_row() -> None:
    _, reasons, _ = encode_features(
        pa.array(["data:image/png;base64,??", "ö"]), "pictures", spec(1)
    )
    assert reasons == ["text that is no picture in base64"] * 2


def changes_of(content: bytes, channels: int = 3) -> set[str]:
    _, changes = decode_and_tell(content, spec(channels, 4, 4))
    return {name for name, bit in CHANGES.items() if changes & bit}


def test_reading_a_picture_tells_each_change() -> None:
    plain = Image.new("RGB", (4, 4), "red")
    assert changes_of(encoded(plain)) == set()
    assert changes_of(encoded(plain.resize((8, 8)))) == {"scaled"}
    assert changes_of(encoded(plain.resize((8, 4)))) == {"scaled", "cut_to_middle"}
    assert changes_of(encoded(plain), channels=1) == {"made_grey"}
    assert changes_of(encoded(plain.convert("L")), channels=1) == set()
    for form in ("PNG", "TIFF", "JPEG"):
        assert changes_of(with_orientation(plain, 6, form)) == {"turned_upright"}
    clear = Image.new("RGBA", (4, 4), (255, 0, 0, 100))
    assert changes_of(encoded(clear)) == {"laid_on_ground"}
    assert changes_of(encoded(clear), channels=4) == set()
    assert changes_of(encoded(plain.convert("RGBA"))) == set()  # nothing shines through
    deep = Image.fromarray(np.full((4, 4), 30_000, np.uint16))
    assert changes_of(encoded(deep)) == {"range_scaled"}
    twelve_bits = Image.fromarray(np.full((4, 4), 4_095, np.uint16))
    assert changes_of(encoded(twelve_bits)) == {"range_scaled", "dark_16_bits"}
    assert changes_of(encoded(twelve_bits, "TIFF")) == {"range_scaled", "dark_16_bits"}
    more = [Image.new("RGB", (4, 4), colour) for colour in ("green", "blue")]
    for form in ("GIF", "TIFF", "WEBP", "PNG"):
        content = encoded(plain, form, save_all=True, append_images=more)
        assert changes_of(content) == {"first_frame"}, form
