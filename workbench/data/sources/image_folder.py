"""Image files in one folder per class, decoded by Spark's executors with Pillow."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from nets.spec import TensorSpec
from workbench.data.config import ImageFolderSource
from workbench.data.sources.paths import existing
from workbench.data.table import Table
from workbench.errors import DataError

if TYPE_CHECKING:
    from PIL import Image
    from pyspark.sql import SparkSession

MAX_PIXELS = 64 * 2**20
"""Pictures that state more are refused before they are decoded: a small file can claim any size."""

_MODES = {1: "L", 3: "RGB", 4: "RGBA"}
_PARTS = ("train", "test")


def read(source: ImageFolderSource, spark: SparkSession) -> Table:
    """Pictures of source.shape, uint8; classes are the folders' names in alphabetical order.

    Below `train/` and `test/` folders, those of `test/` are the test split. Every file counts,
    whatever its ending: one that is no picture becomes a bad row, never a silent gap.

    Raises:
        DataError: there are no class folders or no files in them.
    """
    from pyspark.sql import functions as F

    root = existing(source.path, "a folder with one folder of pictures per class")
    parts = [part for part in _PARTS if (root / part).is_dir()]
    tops = [root / part for part in parts] if parts == list(_PARTS) else [root]
    # Spark passes over names with these beginnings, as Hadoop does.
    names = sorted(
        {p.name for top in tops for p in top.iterdir() if p.is_dir() and p.name[0] not in "._"}
    )
    files = [p for top in tops for name in names for p in (top / name).rglob("*") if p.is_file()]
    if not files:
        raise DataError(
            f"{root} must hold one folder of pictures per class (or train/ and test/ with such "
            f"folders), got {len(names)} folders and {len(files)} files in them."
        )
    # Spark passes over some files and says nothing.
    unread = [(str(p.relative_to(root)), "an empty file") for p in files if not p.stat().st_size]
    unread += [
        (str(p.relative_to(root)), "a name that begins with . or _, which Spark hides")
        for p in files
        if p.name[0] in "._" and p.stat().st_size
    ]
    spec = TensorSpec(kind="image", shape=source.shape, dtype="uint8")
    raw = (
        spark.read.format("binaryFile")
        .option("recursiveFileLookup", True)
        .load([(top / name).as_uri() for top in tops for name in names if (top / name).is_dir()])
    )
    prefix = root.as_uri().removeprefix("file://") + "/"
    key = F.expr(f"substring(path, locate('{_quoted(prefix)}', path) + {len(prefix)})")
    depth = 1 if len(tops) == 2 else 0
    rows = raw.select("content", key.alias("key")).select(
        "content",
        "key",
        F.split("key", "/")[depth].alias("class"),
        F.when(F.split("key", "/")[0] == "test", "test").alias("split")
        if depth
        else F.lit(None).cast("string").alias("split"),
    )
    index = F.create_map(*(F.lit(x) for i, name in enumerate(names) for x in (name, i)))
    decoded = rows.select(
        "content", "key", "split", index[F.col("class")].cast("long").alias("label")
    ).mapInArrow(
        lambda batches: decode_batches(batches, spec),
        "features binary, label long, key string, split string, reason string",
    )
    decoded = decoded.persist()  # good and bad rows come from one pass
    return Table(
        frame=decoded.where(F.col("reason").isNull()).drop("reason"),
        spec=spec,
        labels=tuple(names),
        num_outputs=len(names),
        bad=decoded.where(F.col("reason").isNotNull())
        .select("key", "reason")
        .union(spark.createDataFrame(unread, "key string, reason string")),
        decoded=decoded,
    )


def _quoted(text: str) -> str:
    """Text inside a SQL string."""
    return text.replace("\\", "\\\\").replace("'", "\\'")


def decode_batches(batches: Iterator[pa.RecordBatch], spec: TensorSpec) -> Iterator[pa.RecordBatch]:
    """Encoded pictures in, encoded samples or the reason why not out, row by row."""
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
