"""Image files in one folder per class, decoded by Spark's executors with Pillow."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from nets.config import config
from workbench.data.canonical import CanonicalFrame
from workbench.data.encode import Recipe
from workbench.data.frames import encode_frame
from workbench.data.pictures import picture_spec
from workbench.data.rows import location
from workbench.data.size import Size
from workbench.data.sources.paths import find_path
from workbench.errors import DataError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_WHAT = "a folder with one folder of pictures per class"
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
        picture_spec(self.shape)


def read(source: ImageFolderSource, spark: SparkSession) -> CanonicalFrame:
    """Pictures of source.shape, uint8; classes are the folders' names in alphabetical order.

    Where there are `train/` and `test/` folders, pictures in `test/` are the test split. Every file
    counts, whatever its ending: a file that is no picture becomes a bad row.

    Raises:
        DataError: there are no class folders or no files in them.
    """
    from pyspark.sql import functions as F

    root = find_path(source.path, _WHAT)
    parts = [part for part in _PARTS if (root / part).is_dir()]
    tops = [root / part for part in parts] if parts == list(_PARTS) else [root]
    # Spark skips folders and files whose names begin like this, as Hadoop does.
    names = sorted(
        {p.name for top in tops for p in top.iterdir() if p.is_dir() and p.name[0] not in "._"}
    )
    files = [p for top in tops for name in names for p in (top / name).rglob("*") if p.is_file()]
    if not files:
        raise DataError(
            f"{root} must hold one folder of pictures per class (or train/ and test/ with such "
            f"folders), got {len(names)} folders and {len(files)} files in them."
        )
    # Spark skips some files without a message.
    unread = [(str(p.relative_to(root)), "an empty file") for p in files if not p.stat().st_size]
    unread += [
        (str(p.relative_to(root)), "a name that begins with . or _, which Spark hides")
        for p in files
        if p.name[0] in "._" and p.stat().st_size
    ]
    raw = (
        spark.read.format("binaryFile")
        .option("recursiveFileLookup", True)
        .load([location(top / name) for top in tops for name in names if (top / name).is_dir()])
    )
    prefix = f"{root}/"
    key = F.expr(f"substring(path, locate('{_escape_sql(prefix)}', path) + {len(prefix)})")
    depth = 1 if len(tops) == 2 else 0
    rows = raw.select(F.col("content").alias("features"), key.alias("key")).select(
        "features",
        F.split("key", "/")[depth].alias("label"),
        "key",
        F.when(F.split("key", "/")[0] == "test", "test").alias("split")
        if depth
        else F.lit(None).cast("string").alias("split"),
    )
    recipe = Recipe(
        encoding="pictures",
        spec=picture_spec(source.shape),
        labels=tuple(names),
        num_outputs=len(names),
    )
    canonical = encode_frame(rows, recipe, num_rows=len(files), official_test=bool(depth))
    assert canonical.bad is not None
    hidden = spark.createDataFrame(unread, "key string, reason string")
    return replace(
        canonical, bad=canonical.bad.union(hidden), row_bytes=max(p.stat().st_size for p in files)
    )


def size(source: ImageFolderSource) -> Size:
    """Files and class folders, counted.

    Raises:
        DataError: there is no such folder.
    """
    root = find_path(source.path, _WHAT)
    classes = {p.parent.name for p in root.rglob("*") if p.is_file() and p.parent != root}
    rows = sum(p.is_file() for p in root.rglob("*"))
    return Size(rows=rows, spec=picture_spec(source.shape), num_outputs=max(2, len(classes)))


def _escape_sql(text: str) -> str:
    """Text to put between the quotes of a SQL string."""
    return text.replace("\\", "\\\\").replace("'", "\\'")
