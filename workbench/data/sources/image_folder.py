"""Image files in one folder per class, decoded by Spark's executors with Pillow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from nets.config import config
from nets.errors import ConfigError
from nets.spec import TensorSpec
from workbench.data.pictures import decode_batches
from workbench.data.sources.paths import existing
from workbench.data.table import Table
from workbench.errors import DataError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_PARTS = ("train", "test")


@config
class ImageFolderSource:
    """Image files in one folder per class, or in `train/` and `test/` folders of such folders."""

    kind: Literal["image_folder"] = "image_folder"
    path: str
    """The folder."""
    shape: tuple[int, int, int] = (3, 32, 32)
    """(channels, height, width) every picture is converted to: 1 grey, 3 RGB, 4 RGBA; scaled and cut."""

    def __post_init__(self) -> None:
        if self.shape[0] not in (1, 3, 4) or min(self.shape) < 1:
            raise ConfigError(
                "shape must be (channels, height, width) with 1, 3 or 4 channels and sizes >= 1, "
                f"got {self.shape}."
            )


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
