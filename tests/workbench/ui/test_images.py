from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from nets.spec import TensorSpec
from workbench.data import pictures
from workbench.ui.inside.images import MAX_BYTES, UploadError, decode, png


def encoded(image: Image.Image, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def test_png_round_trip() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(png(pixels)))), pixels)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "CMYK", "1", "I;16"])
@pytest.mark.parametrize("shape", [(3, 8, 8), (1, 6, 9)])
def test_every_mode_becomes_the_nets_shape(mode: str, shape: tuple[int, int, int]) -> None:
    image = Image.new(mode, (31, 17))
    sample = (
        decode(encoded(image, "TIFF" if mode == "CMYK" else "PNG"), shape)
        if mode != "CMYK"
        else decode(encoded(image, "JPEG"), shape)
    )
    assert sample.shape == shape and sample.dtype == np.uint8


def test_values_are_those_of_the_data() -> None:
    white = encoded(Image.new("L", (8, 8), 255))
    assert decode(white, (1, 8, 8)).max() == 255
    assert decode(white, (1, 8, 8), top=16).min() == 16
    assert decode(white, (1, 8, 8), top=16, invert=True).max() == 0


def test_channels_stay_in_place() -> None:
    sample = decode(encoded(Image.new("RGB", (4, 4), (10, 20, 30))), (3, 4, 4))
    assert [int(sample[c].mean()) for c in range(3)] == [10, 20, 30]


def test_no_picture() -> None:
    whole = encoded(Image.effect_noise((64, 64), 50))
    for content in (b"", b"hello", whole[: len(whole) // 2], b"%PDF-1.7 ...", b"<svg></svg>"):
        with pytest.raises(UploadError, match="cannot be read as a picture") as refused:
            decode(content, (1, 8, 8))
        assert "0x" not in str(refused.value), "no Python object's address"


def test_too_large_is_refused_before_it_is_decoded() -> None:
    with pytest.raises(UploadError, match="at most 8 MB"):
        decode(b"\0" * (MAX_BYTES + 1), (1, 8, 8))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 50_000, 50_000, 8, 0, 0, 0, 0))
    bomb = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 100))
    with pytest.raises(UploadError, match="pixels"):
        decode(bomb, (1, 8, 8))


def with_alpha() -> Image.Image:
    drawing = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    drawing.paste((0, 0, 0, 255), (0, 0, 4, 8))
    return drawing


def on_its_side() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    Image.linear_gradient("L").resize((8, 16)).save(buffer, "PNG", exif=exif)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        encoded(with_alpha()),
        encoded(Image.fromarray(np.linspace(0, 60_000, 64).reshape(8, 8).astype(np.uint16))),
        encoded(Image.fromarray(np.linspace(0, 1, 64).reshape(8, 8).astype(np.float32)), "TIFF"),
        on_its_side(),
        encoded(
            Image.fromarray(
                np.random.default_rng(0).normal(128, 50, (48, 64)).clip(0, 255).astype(np.uint8)
            )
        ),
    ],
    ids=["with alpha", "16 bits", "floats", "on its side", "noise"],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_an_upload_is_what_a_training_would_read(content: bytes, channels: int) -> None:
    shape = (channels, 8, 8)
    trained = pictures.decode(content, TensorSpec(kind="image", shape=shape, dtype="uint8"))
    np.testing.assert_array_equal(decode(content, shape), trained)
    assert 20 < trained.mean() < 235


def test_values_of_no_known_range_are_refused() -> None:
    odd = encoded(Image.fromarray(np.full((8, 8), -3, np.float32)), "TIFF")
    with pytest.raises(UploadError, match=r"cannot be used: values from -3"):
        decode(odd, (1, 8, 8))
