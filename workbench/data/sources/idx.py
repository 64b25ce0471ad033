"""IDX files, the format of MNIST (LeCun 1998) and Fashion-MNIST (Xiao et al. 2017), gzipped or plain.

An IDX file has two zero bytes, the type of the values, and the number of dimensions; the size of each
dimension as a big-endian number of four bytes; then the values, the last dimension fastest.
"""

from __future__ import annotations

import gzip
import math
import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from nets.config import config
from nets.errors import ConfigError
from nets.spec import TensorSpec
from workbench.data import downloads
from workbench.data.canonical import CanonicalFrame
from workbench.data.size import Size
from workbench.data.sources.arrays import from_blocks
from workbench.data.sources.paths import find_or_download, find_path
from workbench.errors import DataError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

FASHION = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
"""Fashion-MNIST's classes by index, with the names of its authors."""

_FASHION_SIZES = [70_000, 28, 28]
"""Pictures of Fashion-MNIST's two files together, height, width."""

_WHAT = "a folder with train-images-idx3-ubyte(.gz) and its labels"
_PREFIXES = {"train": "train", "test": "t10k"}
_UNSIGNED_BYTE = 0x08
_BLOCK = 10_000
"""Pictures read at once."""
_MOST = 2**31
"""Largest size in bytes that a header may state: a broken one can state any."""


@config
class IdxSource:
    """A folder with `train-images-idx3-ubyte` and `train-labels-idx1-ubyte`, and `t10k-...` for test; .gz or not."""

    kind: Literal["idx"] = "idx"
    path: str
    """The folder; the name fashion-mnist stands for a set that is downloaded once."""
    classes: tuple[str, ...] | None = None
    """Class names by index; None: the labels that are there, or Fashion-MNIST's names where the folder's name has fashion in it."""

    def __post_init__(self) -> None:
        if self.classes is not None and len(set(self.classes)) != max(len(self.classes), 2):
            raise ConfigError(f"classes must be at least two different names, got {self.classes}.")


def read(source: IdxSource, spark: SparkSession) -> CanonicalFrame:
    """Pictures (channels, height, width) uint8; those of `t10k`, if any, are the test split.

    Raises:
        DataError: a file is missing, cut short or no IDX file, or the numbers of pictures and labels
            differ.
    """
    folder = find_or_download(source.path, _WHAT)
    parts = {}
    for split, prefix in _PREFIXES.items():
        images = _find_file(folder, prefix, "images-idx3")
        labels = _find_file(folder, prefix, "labels-idx1")
        if split == "train" or images or labels:
            parts[split] = (_require(images, folder, prefix), _require(labels, folder, prefix))
    sizes = {split: _read_sizes(images) for split, (images, _) in parts.items()}
    shapes = {tuple(size[1:]) for size in sizes.values()}
    if len(shapes) != 1 or len(sizes["train"]) not in (3, 4):
        raise DataError(
            f"Pictures in {folder} must have one size, (count, height, width), got {sizes}."
        )
    spec = _spec(sizes["train"])
    targets = {split: _read_values(labels, 1) for split, (_, labels) in parts.items()}
    for split, (images, labels) in parts.items():
        if len(targets[split]) != sizes[split][0]:
            raise DataError(
                f"{images.name} has {sizes[split][0]} pictures and {labels.name} "
                f"{len(targets[split])} labels. Download both again."
            )
    names = _choose_names(
        source, folder, max(int(labels.max(initial=0)) for labels in targets.values())
    )
    if names is None:  # EMNIST's letters begin with 1
        present = np.unique(np.concatenate(list(targets.values())))
        names = tuple(map(str, present.tolist()))
        targets = {split: np.searchsorted(present, labels) for split, labels in targets.items()}
    blocks = (
        block
        for split, (images, _) in parts.items()
        for block in _read_blocks(split, images, targets[split], spec)
    )
    return from_blocks(spark, blocks, spec, names, official_test="test" in parts)


def size(source: IdxSource) -> Size:
    """Rows and spec from the headers of the pictures' files; Fashion-MNIST's also before its download.

    Raises:
        DataError: a file is missing, or is no IDX file of pictures.
    """
    if source.path in downloads.DATA_SETS and downloads.find_missing(source.path):
        return Size(rows=_FASHION_SIZES[0], spec=_spec(_FASHION_SIZES), num_outputs=10)
    folder = find_path(source.path, _WHAT)
    sizes = [sizes for split in _PREFIXES if (sizes := _dimensions(folder, split)) is not None]
    return Size(
        rows=sum(count for count, *_ in sizes),
        spec=_spec(sizes[0]),
        num_outputs=len(source.classes) if source.classes else 10,
    )


def _spec(sizes: list[int]) -> TensorSpec:
    """The spec of pictures from a file's dimensions.

    Four are (count, height, width, channels), as EMNIST's relatives in colour have them.
    """
    _, height, width, *channels = sizes
    return TensorSpec(kind="image", shape=(*(channels or [1]), height, width), dtype="uint8")


def _dimensions(folder: Path, split: str) -> list[int] | None:
    """(count, height, width) of a split's pictures, maybe with channels; None: there is no test file.

    Raises:
        DataError: the training pictures are missing, or the file is no IDX file of pictures.
    """
    prefix = _PREFIXES[split]
    images = _find_file(folder, prefix, "images-idx3")
    if images is None and split != "train":
        return None
    sizes = _read_sizes(_require(images, folder, prefix))
    if len(sizes) not in (3, 4):
        raise DataError(f"{images} must hold pictures, (count, height, width), got {sizes}.")
    return sizes


def _choose_names(source: IdxSource, folder: Path, highest: int) -> tuple[str, ...] | None:
    """Class names by index; None: the labels that are there."""
    names = source.classes
    if names is None:
        fashion = "fashion" in folder.name.lower() and highest < len(FASHION)
        return FASHION if fashion else None
    if highest >= len(names):
        raise DataError(
            f"data.source.classes names {len(names)} classes, and a label of {folder} is {highest}. "
            f"Name {highest + 1} classes, from index 0."
        )
    return names


def _find_file(folder: Path, prefix: str, kind: str) -> Path | None:
    """The file in its usual spellings: `train-images-idx3-ubyte`, `train-images.idx3-ubyte`, .gz; with a
    name before it as EMNIST's (`emnist-letters-train-images-idx3-ubyte`).

    Raises:
        DataError: there are several such names before it.
    """
    plain = [f"{prefix}-{kind}-ubyte", f"{prefix}-{kind.replace('-', '.', 1)}-ubyte"]
    for name in [name + ending for name in plain for ending in ("", ".gz")]:
        if (folder / name).is_file():
            return folder / name
    parts = "t10k|test" if prefix == "t10k" else prefix
    pattern = re.compile(rf".+[-_]({parts})-{kind.replace('-', '[-.]')}-ubyte(\.gz)?")
    found = sorted(path for path in folder.iterdir() if pattern.fullmatch(path.name))
    if len({path.name.removesuffix(".gz") for path in found}) > 1:
        raise DataError(
            f"{folder} holds several data sets: {', '.join(path.name for path in found[:4])}. Put the files "
            "of one into a folder of its own, and name that."
        )
    return found[0] if found else None


def _require(file: Path | None, folder: Path, prefix: str) -> Path:
    if file is None:
        names = ", ".join(sorted(p.name for p in folder.iterdir())[:8]) or "nothing"
        raise DataError(
            f"{folder} must hold {prefix}-images-idx3-ubyte and {prefix}-labels-idx1-ubyte, plain or "
            f".gz, got {names}."
        )
    return file


def _open(path: Path) -> Any:
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")


def _read_header(path: Path, handle: Any) -> list[int]:
    """The size of each dimension.

    Raises:
        DataError: it is no IDX file of bytes.
    """
    try:
        zeros, kind, dimensions = struct.unpack(">HBB", handle.read(4))
        if zeros or kind != _UNSIGNED_BYTE or not 1 <= dimensions <= 4:
            raise ValueError(f"its first bytes are {zeros:04x} {kind:02x} {dimensions:02x}")
        sizes = list(struct.unpack(f">{dimensions}I", handle.read(4 * dimensions)))
        if math.prod(sizes) > _MOST:
            raise ValueError(f"it states {' x '.join(map(str, sizes))} values")
        if path.suffix != ".gz" and math.prod(sizes) > path.stat().st_size:
            raise ValueError(f"it states {' x '.join(map(str, sizes))} values and ends before")
    except (struct.error, ValueError, EOFError, OSError, zlib.error) as error:
        raise DataError(
            f"{path} is no IDX file of unsigned bytes ({error}). Download it again."
        ) from error
    return sizes


def _read_sizes(path: Path) -> list[int]:
    with _open(path) as handle:
        return _read_header(path, handle)


def _read_bytes(path: Path, handle: Any, num_bytes: int) -> np.ndarray:
    """The next bytes of the file.

    Raises:
        DataError: it ends before.
    """
    try:
        content = handle.read(num_bytes)
    except (EOFError, OSError, zlib.error) as error:
        raise DataError(f"{path} is cut short or damaged ({error}). Download it again.") from error
    if len(content) != num_bytes:
        raise DataError(
            f"{path} is cut short: {num_bytes - len(content)} bytes are missing that its header "
            "states. Download it again."
        )
    return np.frombuffer(content, np.uint8)


def _read_values(path: Path, dimensions: int) -> np.ndarray:
    with _open(path) as handle:
        sizes = _read_header(path, handle)
        if len(sizes) != dimensions:
            raise DataError(f"{path} must have {dimensions} dimension(s), got {len(sizes)}.")
        return _read_bytes(path, handle, math.prod(sizes)).reshape(sizes)


def _read_blocks(
    split: str, images: Path, labels: np.ndarray, spec: TensorSpec
) -> Iterator[dict[str, Any]]:
    with _open(images) as handle:
        _read_header(images, handle)
        for start in range(0, len(labels), _BLOCK):
            target = labels[start : start + _BLOCK]
            pixels = _read_bytes(images, handle, len(target) * spec.num_bytes)
            channels, height, width = spec.shape
            if channels == 1:
                samples = pixels.reshape(-1, 1, height, width)
            else:
                samples = pixels.reshape(-1, height, width, channels).transpose(0, 3, 1, 2)
            yield {
                "features": samples,
                "label": target.astype(np.int64),
                "key": [f"{split}/{i:05d}" for i in range(start, start + len(target))],
                "split": "test" if split == "test" else None,
            }
