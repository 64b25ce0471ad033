"""The members of tar and zip archives: where each lies, so that it can be read where it is."""

from __future__ import annotations

import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from workbench.data.pictures import ENDINGS as PICTURES
from workbench.data.sounds import ENDINGS as SOUNDS
from workbench.errors import DataError

_FIRST = 2_000
"""Members of an archive that are looked at for its kind."""
_LOCAL_HEADER = 30
"""Bytes of a member's own header in a zip archive, before its name."""
_MOST_UNPACKED = 2**30
"""Bytes of a member of a zip archive, unpacked: a small archive can hold any number of zeros."""


@dataclass(frozen=True, slots=True)
class Member:
    """Where a file lies in an archive."""

    offset: int
    size: int
    """Bytes there."""
    deflated: bool = False
    """Whether these are compressed, as in zip archives."""


def list_archives(folder: Path) -> list[Path]:
    """The tar and zip archives below a folder."""
    return sorted(
        p for p in folder.rglob("*") if p.suffix.lower() in (".tar", ".zip") and p.is_file()
    )


def list_members(archive: Path) -> Iterator[tuple[str, Member]]:
    """The path of each file in the archive, and where it lies; in order.

    Raises:
        DataError: it cannot be read, or is packed in a way that one file cannot be read by itself.
    """
    return _list_zip(archive) if archive.suffix.lower() == ".zip" else _list_tar(archive)


def _list_tar(archive: Path) -> Iterator[tuple[str, Member]]:
    try:
        with tarfile.open(archive, "r:") as opened:
            for member in opened:
                if member.isfile():
                    yield member.name, Member(member.offset_data, member.size)
            if opened.offset >= archive.stat().st_size or opened.fileobj.tell() % tarfile.BLOCKSIZE:
                raise EOFError("it is cut short: the zeros at its end are missing")
    except (tarfile.TarError, OSError, EOFError) as error:
        raise DataError(
            f"{archive} cannot be read as a plain tar archive ({error}). Decompress it first if its name "
            "ends in .gz or .tgz, or make it again."
        ) from error


def _list_zip(archive: Path) -> Iterator[tuple[str, Member]]:
    try:
        with zipfile.ZipFile(archive) as opened, archive.open("rb") as handle:
            for info in opened.infolist():
                if info.is_dir():
                    continue
                if info.flag_bits & 1:
                    raise DataError(f"{archive} is encrypted. Unpack it, and name the folder.")
                if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    raise DataError(
                        f"{archive} is packed in a way that is not read (method {info.compress_type}). "
                        "Unpack it, and name the folder."
                    )
                deflated = info.compress_type == zipfile.ZIP_DEFLATED
                yield info.filename, Member(_find_start(handle, info), info.compress_size, deflated)
    except (zipfile.BadZipFile, OSError, struct.error, NotImplementedError) as error:
        raise DataError(
            f"{archive} cannot be read as a zip archive ({error}). Copy or make it again."
        ) from error


def _find_start(handle: IO[bytes], info: zipfile.ZipInfo) -> int:
    """Where a member's content begins: its own header may be longer than the list's entry says."""
    handle.seek(info.header_offset)
    header = handle.read(_LOCAL_HEADER)
    name, extra = struct.unpack("<HH", header[26:30])
    return info.header_offset + _LOCAL_HEADER + int(name) + int(extra)


def list_endings(archive: Path) -> dict[str, int]:
    """How many of an archive's first files have each ending; packed tar archives too.

    Empty where it cannot be read.
    """
    counts: dict[str, int] = {}
    try:
        for name in _list_names(archive):
            if not name.rpartition("/")[2].startswith(".") and "__MACOSX" not in name:
                ending = Path(name).suffix.lower()
                counts[ending] = counts.get(ending, 0) + 1
    except (tarfile.TarError, zipfile.BadZipFile, OSError, EOFError):
        return {}
    return counts


def _list_names(archive: Path) -> Iterable[str]:
    if archive.suffix.lower() == ".zip":
        with zipfile.ZipFile(archive) as opened:
            return [info.filename for info in opened.infolist()[:_FIRST] if not info.is_dir()]
    names = []
    with tarfile.open(archive) as packed:
        for member in packed:
            if member.isfile():
                names.append(member.name)
            if len(names) >= _FIRST:
                break
    return names


def holds(archive: Path) -> Literal["pictures", "sounds"] | None:
    """What most of the archive's first files are; None: neither, or it cannot be read."""
    counts = list_endings(archive)
    pictures = sum(counts.get(ending, 0) for ending in PICTURES)
    sounds = sum(counts.get(ending, 0) for ending in SOUNDS)
    if not pictures + sounds:
        return None
    return "pictures" if pictures >= sounds else "sounds"


def read_member(archive: Path, member: Member) -> bytes:
    """The content of a file in an archive.

    Raises:
        zlib.error: it is damaged, or larger than `inflate` takes.
    """
    with archive.open("rb") as handle:
        handle.seek(member.offset)
        content = handle.read(member.size)
    return inflate(content) if member.deflated else content


def inflate(content: bytes) -> bytes:
    """Unpack a member of a zip archive, up to `_MOST_UNPACKED` bytes.

    Raises:
        zlib.error: it is damaged, or larger.
    """
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    unpacked = unpacker.decompress(content, _MOST_UNPACKED)
    if not unpacker.eof:
        raise zlib.error("it ends before its end, or is larger than a picture or sound may be")
    return unpacked
