"""Archives of pictures and sounds: several of them, what is left out, what is damaged."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.workbench.data.test_more_kinds import CLASSES, picture
from workbench import data
from workbench.data import guess_source
from workbench.data.sources import PictureTarsSource, SoundTarsSource, size
from workbench.data.sources.archive_files import _list_files
from workbench.data.sources.picture_layout import PICTURES
from workbench.errors import DataError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def pack(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def listed(path: Path) -> set[tuple[str, str, str | None]]:
    files, labels, _ = _list_files(PictureTarsSource(path=str(path)), PICTURES, None)
    return {(file.key, labels[file.label], file.split) for file in files}


def test_several_archives_are_splits_or_classes_by_their_names(tmp_path: Path) -> None:
    for split in ("train", "test"):
        files = {f"{split}/{name}/{i}.png": picture(i) for name in CLASSES for i in range(2)}
        (tmp_path / "a").mkdir(exist_ok=True)
        pack(tmp_path / "a" / f"{split}.zip", files)
    found = listed(tmp_path / "a")
    assert len(found) == 8
    assert {(label, split) for _, label, split in found} == {
        (name, split) for name in CLASSES for split in (None, "test")
    }
    (tmp_path / "b").mkdir()
    for name in CLASSES:
        pack(tmp_path / "b" / f"{name}.zip", {f"{i}.png": picture(i) for i in range(3)})
    assert {label for _, label, _ in listed(tmp_path / "b")} == set(CLASSES)
    assert size(PictureTarsSource(path=str(tmp_path / "b"))).rows == 6


def test_what_is_said_to_be_left_out_is_left_out(tmp_path: Path) -> None:
    for shard in ("train-0", "test-0", "extra"):
        files = {f"deep/{i}.png": picture(i) for i in range(2)}
        pack(tmp_path / f"{shard}.zip", files | {f"deep/{i}.cls": b"a" for i in range(2)})
    assert {key.partition(".")[0] for key, *_ in listed(tmp_path)} == {"train-0", "test-0"}


def test_a_path_that_leads_out_of_the_archive_is_a_name_only(tmp_path: Path) -> None:
    files = {f"../../{name}/{i}.png": picture(i) for name in CLASSES for i in range(2)}
    assert {label for _, label, _ in listed(pack(tmp_path / "x.zip", files))} == set(CLASSES)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x.zip"]


def test_a_class_that_is_damaged_is_named(tmp_path: Path) -> None:
    files = {f"{i}.png": picture(i) for i in range(2)} | {f"{i}.cls": b"a" * 50 for i in range(2)}
    path = pack(tmp_path / "x.zip", files)
    with zipfile.ZipFile(path) as archive:
        start = archive.getinfo("1.cls").header_offset + 30 + len("1.cls")
    content = bytearray(path.read_bytes())
    content[start : start + 2] = b"\xff\xff"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"1\.cls in .*x\.zip is damaged"):
        listed(path)


def pack_tar(path: Path) -> bytes:
    with tarfile.open(path, "w") as archive:
        for i, name in enumerate(CLASSES * 3):
            content = picture(i)
            member = tarfile.TarInfo(f"{name}/{i}.png")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path.read_bytes()


@pytest.mark.parametrize("cut", [2 * 1024, 2 * 1024 + 100, 2 * 1024 + 600])
def test_a_tar_archive_that_is_cut_short_is_refused(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "x.tar"
    content = pack_tar(path)
    assert len(listed(path)) == 6
    path.write_bytes(content[:cut])  # between two members, in a header, in a picture
    with pytest.raises(DataError, match="cannot be read as a plain tar archive"):
        listed(path)


def test_what_is_ignored_in_an_archive_is_said(tmp_path: Path) -> None:
    files = {f"images/{i}.png": picture(i) for i in range(4)}
    rest = {"labels.csv": b"file,label", "__MACOSX/images/._0.png": b"x", "images/.DS_Store": b"x"}
    source = PictureTarsSource(path=str(pack(tmp_path / "x.zip", files | rest)))
    _, labels, decided = _list_files(source, PICTURES, None)
    assert labels == ("images",)
    assert decided[-1] == "Ignored: .DS_Store (1), __MACOSX/ (1)"
    assert any(text.startswith("Tables in archives are not read") for text in decided)


@pytest.mark.parametrize(
    "name", ["train.tfrecord", "train.tfrecord-00000-of-00002", "a.tfrecords.gz"]
)
def test_tfrecord_is_refused_with_the_connector_that_reads_it(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(bytes(range(256)))
    for path in (tmp_path, tmp_path / name):
        with pytest.raises(DataError, match=r"TFRecord .*spark-tfrecord.*\"format\": \"tfrecord\""):
            guess_source(str(path))


def test_a_zip_of_sounds(spark: SparkSession, tmp_path: Path) -> None:
    soundfile = pytest.importorskip("soundfile")
    files = {}
    for i in range(12):
        buffer = io.BytesIO()
        tone = np.sin(np.arange(400) * (0.1 + i % 2)).astype(np.float32)
        soundfile.write(buffer, tone, 8000, format="WAV")
        files[f"sounds/{CLASSES[i % 2]}/{i}.wav"] = buffer.getvalue()
    path = pack(tmp_path / "x.zip", files)
    assert guess_source(str(path)) == {
        "kind": "sound_tars",
        "rate": 8000,
        "seconds": 0.05,
        "path": str(path),
    }
    source = SoundTarsSource(path=str(path), rate=8000, seconds=0.05)
    assert size(source).rows == 12
    canonical = data.read(source, spark)
    assert canonical.labels == CLASSES and canonical.spec.kind == "sound"
    assert canonical.frame.count() == 12
