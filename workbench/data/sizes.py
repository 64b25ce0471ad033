"""How many rows a source has and how large they are, as far as that shows without Spark."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from nets.spec import TensorSpec
from workbench.data import downloads
from workbench.data.pictures import picture_spec
from workbench.data.sources import cifar, idx
from workbench.data.sources.cifar import CifarArchiveSource
from workbench.data.sources.digits import DigitsSource
from workbench.data.sources.idx import IdxSource
from workbench.data.sources.image_folder import ImageFolderSource
from workbench.data.sources.paths import existing
from workbench.data.sources.text import TextSource

_FASHION_MNIST = (70_000, TensorSpec(kind="image", shape=(1, 28, 28), dtype="uint8"))


@dataclass(frozen=True, kw_only=True)
class Size:
    """Rows and the spec of one; None where only reading the source tells."""

    rows: int | None = None
    spec: TensorSpec | None = None
    num_outputs: int = 2
    """Classes; 2, the fewest, where they are not known."""
    notes: list[str] = field(default_factory=list)

    @property
    def num_bytes(self) -> int:
        """Of all rows, encoded."""
        assert self.rows is not None and self.spec is not None
        return self.rows * self.spec.num_bytes


def size_of(source: Any) -> Size:
    """What is known of a source; files are counted and headers read, no more.

    Raises:
        DataError: its files are not there or no such files.
    """
    if isinstance(source, DigitsSource):
        image = source.layout == "image"
        spec = (
            TensorSpec(kind="image", shape=(1, 8, 8), dtype="uint8")
            if image
            else TensorSpec(kind="series", shape=(8, 8))
        )
        return Size(rows=1_797, spec=spec, num_outputs=10)
    if isinstance(source, CifarArchiveSource):
        return Size(rows=60_000, spec=cifar.SPEC, num_outputs=10)
    if isinstance(source, IdxSource):
        return _idx(source)
    if isinstance(source, ImageFolderSource):
        return _folder(source)
    if isinstance(source, TextSource):
        spec = TensorSpec(
            kind="tokens", shape=(source.max_length,), dtype="int32",
            vocabulary_size=source.vocabulary_size,
        )  # fmt: skip
        return Size(spec=spec, notes=[_COUNT, "The vocabulary is taken at its largest."])
    return Size(notes=[f"{_COUNT} It also tells a sample's shape, which the net's size hangs on."])


_COUNT = "The rows of this source are known once it is read: `workbench data describe` counts them."


def _idx(source: IdxSource) -> Size:
    if source.path in downloads.KNOWN and downloads.missing(source.path):
        rows, spec = _FASHION_MNIST
        return Size(rows=rows, spec=spec, num_outputs=10)
    folder = existing(source.path, "a folder with train-images-idx3-ubyte(.gz) and its labels")
    sizes = [idx.dimensions(folder, split) for split in ("train", "test")]
    told = [size for size in sizes if size is not None]
    _, *shape = told[0]
    channels = (1, *shape) if len(shape) == 2 else (shape[2], *shape[:2])
    return Size(
        rows=sum(size[0] for size in told),
        spec=TensorSpec(kind="image", shape=channels, dtype="uint8"),
        num_outputs=len(source.classes) if source.classes else 10,
    )


def _folder(source: ImageFolderSource) -> Size:
    root = existing(source.path, "a folder with one folder of pictures per class")
    classes = {p.parent.name for p in root.rglob("*") if p.is_file() and p.parent != root}
    rows = sum(p.is_file() for p in root.rglob("*"))
    return Size(rows=rows, spec=picture_spec(source.shape), num_outputs=max(2, len(classes)))
