"""CIFAR-10 in its official python archive (Krizhevsky 2009): five training batches, one test batch.

The batches are pickles. The unpickler here knows arrays, lists, dictionaries, text and numbers. A
pickle that names anything else is refused, and its code does not run.
"""

from __future__ import annotations

import io
import lzma
import pickle
import tarfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from nets.config import config
from nets.spec import TensorSpec
from workbench.data.canonical import CanonicalFrame
from workbench.data.size import Size
from workbench.data.sources.arrays import from_blocks
from workbench.data.sources.paths import find_or_download
from workbench.errors import DataError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SPEC = TensorSpec(kind="image", shape=(3, 32, 32), dtype="uint8")
TRAINING = tuple(f"data_batch_{i}" for i in range(1, 6))
TEST, META = "test_batch", "batches.meta"
_PACKERS = (zlib.error, lzma.LZMAError)
_MAX_MEMBER = 256 * 2**20
"""Largest size of a batch in bytes; the official ones have 31 million."""
_MAX_ARCHIVE = 4 * _MAX_MEMBER
"""Largest size of all members together in bytes, including those not read; officially 186 million."""


@config
class CifarArchiveSource:
    """The official CIFAR-10 python archive: `cifar-10-python.tar.gz`, or the folder it unpacks to."""

    kind: Literal["cifar_archive"] = "cifar_archive"
    path: str
    """The archive, or the folder `cifar-10-batches-py`; the name cifar-10 stands for a set that is downloaded once."""


def read(source: CifarArchiveSource, spark: SparkSession) -> CanonicalFrame:
    """60,000 pictures (3, 32, 32) uint8; those of `test_batch` are the test split.

    Raises:
        DataError: the archive is missing, cut short, or not that of CIFAR-10.
    """
    path = find_or_download(
        source.path, "CIFAR-10's cifar-10-python.tar.gz or the folder it unpacks to"
    )
    members = _read_folder(path) if path.is_dir() else _read_archive(path)
    missing = [name for name in (*TRAINING, TEST, META) if name not in members]
    if missing:
        raise DataError(
            f"{path} has no {', '.join(missing)}: it is not CIFAR-10's python archive, or was cut "
            "short. Download cifar-10-python.tar.gz (170,498,071 bytes) again."
        )
    names = _read_names(members[META], path)
    blocks = (_read_batch(name, members[name], path) for name in (*TRAINING, TEST))
    return from_blocks(spark, blocks, SPEC, names, official_test=True)


def size(source: CifarArchiveSource) -> Size:
    """60,000 rows of 10 classes; the archive is not opened."""
    return Size(rows=60_000, spec=SPEC, num_outputs=10)


def _read_batch(name: str, content: bytes, path: Path) -> dict[str, Any]:
    """One batch: features, label, key, split."""
    batch = _unpickle(name, content, path)
    try:
        if not isinstance(batch[b"data"], np.ndarray) or len(batch[b"labels"]) > len(
            batch[b"data"]
        ):
            raise ValueError("its data is no array, or has fewer rows than labels")
        data = np.asarray(batch[b"data"], np.uint8).reshape(-1, *SPEC.shape)
        labels = np.asarray(batch[b"labels"], np.int64)
        if len(data) != len(labels):
            raise ValueError(f"{len(data)} pictures and {len(labels)} labels")
        if len(labels) and not (labels.min() >= 0 and labels.max() <= 9):
            raise ValueError(f"labels from {labels.min()} to {labels.max()}, not 0 to 9")
    except (KeyError, ValueError, TypeError, OverflowError) as error:
        raise DataError(
            f"{path}: batch {name} is not one of CIFAR-10 ({error}). Download the archive again."
        ) from error
    split = "test" if name == TEST else None
    keys = [f"{name}/{i:05d}" for i in range(len(labels))]
    return {"features": data, "label": labels, "key": keys, "split": split}


def _read_names(content: bytes, path: Path) -> tuple[str, ...]:
    names = _unpickle(META, content, path).get(b"label_names", [])
    is_names = isinstance(names, list) and all(isinstance(n, (bytes, str)) for n in names)
    if not is_names or len(names) != 10:
        raise DataError(f"{path}: {META} must name 10 classes, got {str(names)[:80]}.")
    return tuple(n.decode(errors="replace") if isinstance(n, bytes) else n for n in names)


def _read_folder(path: Path) -> dict[str, bytes]:
    inner = path / "cifar-10-batches-py"
    folder = inner if inner.is_dir() else path
    names = (*TRAINING, TEST, META)
    files = {name: folder / name for name in names if (folder / name).is_file()}
    for file in files.values():
        if file.stat().st_size > _MAX_MEMBER:
            raise DataError(
                f"{file} has {file.stat().st_size} bytes; a batch of CIFAR-10 has less than "
                f"{_MAX_MEMBER}. It is not CIFAR-10's."
            )
    return {name: file.read_bytes() for name, file in files.items()}


def _read_archive(path: Path) -> dict[str, bytes]:
    """The bytes of the batches. Nothing is written to disk, so no member's path can leave a folder."""
    members = {}
    try:
        with tarfile.open(path, "r:*") as archive:
            for member in archive:
                if member.offset_data + member.size > _MAX_ARCHIVE:
                    raise DataError(
                        f"{path}: its members state more than {_MAX_ARCHIVE} bytes together. The "
                        "archive is not CIFAR-10's."
                    )
                name = Path(member.name).name
                if name not in (*TRAINING, TEST, META) or not member.isfile():
                    continue
                if member.size > _MAX_MEMBER:
                    raise DataError(
                        f"{path}: {member.name} states {member.size} bytes; a batch of CIFAR-10 "
                        f"has less than {_MAX_MEMBER}. The archive is not CIFAR-10's."
                    )
                handle = archive.extractfile(member)
                assert handle is not None
                members[name] = handle.read()
    # zlib, lzma and bz2 have errors of their own, and a damaged header can hold any number.
    except (tarfile.TarError, EOFError, OSError, ValueError, OverflowError, *_PACKERS) as error:
        last = next(reversed(members), "its first member")
        raise DataError(
            f"{path} ends in or after {last} ({error}): it is cut short or damaged. Download the "
            "archive again."
        ) from error
    return members


_ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy", "dtype"): np.dtype,
    ("numpy", "ndarray"): None,  # only named, to be passed to _reconstruct: nothing to call
    ("_codecs", "encode"): lambda text, encoding: text.encode(encoding),
}


class _Unpickler(pickle.Unpickler):
    """Knows the names that pickled NumPy arrays need, and no others."""

    def find_class(self, module: str, name: str) -> Any:
        if name == "_reconstruct" and module in (
            "numpy.core.multiarray",
            "numpy._core.multiarray",
        ):
            return _empty_array
        if (module, name) in _ALLOWED:
            return _ALLOWED[module, name]
        raise pickle.UnpicklingError(f"it names {module}.{name}, which no CIFAR-10 batch needs")


def _empty_array(kind: None, shape: Any, dtype: Any) -> np.ndarray[Any, Any]:
    if shape != (0,):  # NumPy always writes (0,); the values follow
        raise pickle.UnpicklingError(f"it has an array begin with the shape {shape}")
    return np.empty(0, np.uint8)


def _unpickle(name: str, content: bytes, path: Path) -> dict[bytes, Any]:
    try:
        loaded = _Unpickler(io.BytesIO(content), encoding="bytes").load()
    except Exception as error:  # a damaged pickle can raise anything
        raise DataError(
            f"{path}: {name} cannot be read ({error}). It is damaged or not CIFAR-10's: download "
            "the archive again."
        ) from error
    if not isinstance(loaded, dict):
        raise DataError(f"{path}: {name} holds a {type(loaded).__name__}, not a batch.")
    return loaded
