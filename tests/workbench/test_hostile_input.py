"""Any bytes in a file or an option give data or one of our errors, in limited time and memory."""

from __future__ import annotations

import gzip
import io
import pickle
import struct
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from nets.config import flatten, override
from nets.errors import ConfigError
from nets.spec import TensorSpec
from workbench.cli.options import collect_changes, parse_space
from workbench.data import pictures
from workbench.data.sources import cifar, idx, ts_file
from workbench.errors import DataError
from workbench.experiments import load_experiment
from workbench.experiments.experiment import Experiment

fuzzed = settings(
    max_examples=150,
    deadline=2000,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
BASE = load_experiment("digits_cnn")


def tar(*members: tuple[str, bytes], mode: str = "w:gz") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def damage(whole: bytes) -> st.SearchStrategy[bytes]:
    """The bytes with some of them changed or cut off."""

    def change(edits: list[tuple[int, int]], end: int) -> bytes:
        content = bytearray(whole)
        for place, value in edits:
            content[place % len(content)] = value
        return bytes(content[: end % (len(content) + 1)] if end % 3 == 0 else content)

    edits = st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=6)
    return st.builds(change, edits, st.integers(0, 10**6))


BATCH = pickle.dumps({b"data": np.zeros((2, 3072), np.uint8), b"labels": [1, 2]}, protocol=2)
TGZ = tar(("cifar-10-batches-py/data_batch_1", BATCH), ("x", b"y" * 2000))
HEADERS = ["@dimensions", "@classLabel true a b", "@data", "@univariate false", "@timestamps"]


@fuzzed
@given(
    st.one_of(st.binary(max_size=200), damage(TGZ), damage(tar(("data_batch_1", BATCH), mode="w:")))
)
def test_archives(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "archive"
    path.write_bytes(content)
    try:
        members = cifar._read_archive(path)
    except DataError:
        return
    for name, body in members.items():
        check_batch(name, body)


@fuzzed
@given(st.one_of(st.binary(max_size=200), damage(BATCH)))
def test_batches(content: bytes) -> None:
    check_batch("data_batch_1", content)


def check_batch(name: str, content: bytes) -> None:
    try:
        block = cifar._read_batch(name, content, Path("archive"))
    except DataError:
        return
    assert block["features"].shape == (len(block["label"]), 3, 32, 32)


def idx_bytes(sizes: list[int], body: bytes) -> bytes:
    return struct.pack(f">HBB{len(sizes)}I", 0, 8, len(sizes), *sizes) + body


@fuzzed
@given(
    st.one_of(
        st.binary(max_size=64),
        st.builds(
            idx_bytes, st.lists(st.integers(0, 2**32 - 1), max_size=4), st.binary(max_size=64)
        ),
        st.builds(idx_bytes, st.lists(st.integers(0, 8), max_size=4), st.binary(max_size=64)),
    ),
    st.booleans(),
    st.data(),
)
def test_idx(tmp_path: Path, content: bytes, packed: bool, draw: Any) -> None:
    path = tmp_path / ("file.gz" if packed else "file")
    path.write_bytes(draw.draw(damage(gzip.compress(content))) if packed else content)
    try:
        values = idx._read_values(path, 1)
    except DataError:
        return
    assert values.ndim == 1 and values.dtype == np.uint8


@fuzzed
@given(st.lists(st.one_of(st.sampled_from(HEADERS), st.text(max_size=30)), max_size=8))
def test_ts_headers(tmp_path: Path, lines: list[str]) -> None:
    path = tmp_path / "x.ts"
    path.write_text("\n".join(lines), encoding="utf-8", errors="surrogatepass")
    try:
        assert ts_file._read_header(path).num_channels >= 1
    except DataError:
        return


@fuzzed
@given(st.one_of(st.text(max_size=80), st.text("0123456789.,:-+einfa ?", max_size=80)))
def test_ts_lines(line: str) -> None:
    header = ts_file.Header(2, None)
    try:
        values, label = ts_file.parse_line(line, header, {})
    except ValueError:  # becomes the row's reason
        return
    assert values.shape[1] == 2 and np.isfinite(values).all() and np.isfinite(label)


@fuzzed
@given(
    st.sampled_from([*sorted(flatten(BASE)), "net", "", "a.b", "training..", "sweep.space.x"]),
    st.one_of(
        st.text(max_size=60),
        st.text('[]{}":,0123456789.eE-+nulltrue', max_size=60),
        st.sampled_from(["[" * 100_000, "9" * 10_000, "1e999", "NaN", '{"a":' * 5000, "\ud800"]),
    ),
)
def test_overrides(key: str, value: str) -> None:
    try:
        experiment = override(BASE, collect_changes([f"{key}={value}"]))
        assert isinstance(experiment, Experiment)
    except ConfigError:
        pass
    try:
        override(BASE, {"sweep.space": parse_space([f"{key}={value}"])})
    except ConfigError:
        return


class Malicious:
    def __reduce__(self) -> Any:
        return (exec, ("raise SystemExit('ran')",))


def allocating() -> bytes:
    """A pickle that makes an array of a terabyte without holding it."""
    return b"cnumpy\nndarray\n((I1099511627776\nttR."


@pytest.mark.parametrize("content", [pickle.dumps(Malicious()), allocating()], ids=["code", "huge"])
def test_a_malicious_batch_is_refused_and_not_run(content: bytes) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        cifar._read_batch("data_batch_1", content, Path("archive"))


def make_link(kind: bytes, target: str) -> Callable[[tarfile.TarFile], None]:
    def add(archive: tarfile.TarFile) -> None:
        info = tarfile.TarInfo("data_batch_1")
        info.type, info.linkname = kind, target
        archive.addfile(info)

    return add


@pytest.mark.parametrize(
    "add",
    [
        make_link(tarfile.SYMTYPE, "/etc/passwd"),
        make_link(tarfile.LNKTYPE, "../../etc/passwd"),
        make_link(tarfile.CHRTYPE, ""),
        make_link(tarfile.FIFOTYPE, ""),
    ],
    ids=["symlink", "hardlink", "device", "pipe"],
)
def test_links_and_devices_in_an_archive_are_no_batches(add: Any, tmp_path: Path) -> None:
    path = tmp_path / "cifar.tar"
    with tarfile.open(path, "w") as archive:
        add(archive)
    assert cifar._read_archive(path) == {}


@pytest.mark.parametrize("name", ["../../outside", "/outside"])
def test_names_that_lead_out_write_nothing(name: str, tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    path = inner / "cifar.tar.gz"
    path.write_bytes(tar((f"{name}/data_batch_1", BATCH)))
    before = sorted(tmp_path.rglob("*"))
    assert cifar._read_archive(path) == {"data_batch_1": BATCH}
    assert sorted(tmp_path.rglob("*")) == before and not Path("/outside").exists()


@pytest.mark.parametrize(("name", "size"), [("data_batch_1", 2**40), ("x", 2**40)])
def test_a_tar_bomb_is_refused_by_its_header(name: str, size: int, tmp_path: Path) -> None:
    info = tarfile.TarInfo(name)
    info.size = size
    path = tmp_path / "bomb.tar.gz"
    path.write_bytes(gzip.compress(info.tobuf() + bytes(1024)))
    with pytest.raises(DataError, match="is not CIFAR-10's"):
        cifar._read_archive(path)


def test_a_gzip_bomb_gives_no_more_than_its_header_states(tmp_path: Path) -> None:
    packer = zlib.compressobj(9, wbits=31)
    zeros = bytes(2**20)
    body = packer.compress(idx_bytes([2**31 + 1], b""))
    path = tmp_path / "labels.gz"
    path.write_bytes(body + b"".join(packer.compress(zeros) for _ in range(64)) + packer.flush())
    with pytest.raises(DataError, match="it states 2147483649 values"):
        idx._read_values(path, 1)


def test_a_picture_bomb_is_refused_before_it_is_decoded() -> None:
    out = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(out, "PNG")
    spec = TensorSpec(kind="image", shape=(1, 8, 8), dtype="uint8")
    rows = np.zeros((1, 64), np.uint8)
    [reason], _ = pictures.decode_all([out.getvalue()], spec, rows)
    assert reason is not None and "pixels" in reason and not rows.any()


def encode_picture(kind: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (6, 5), "red").save(out, kind)
    return out.getvalue()


DAMAGED_PICTURES = st.sampled_from(["PNG", "GIF", "BMP", "JPEG"]).flatmap(
    lambda kind: damage(encode_picture(kind))
)


@fuzzed
@given(st.one_of(st.binary(max_size=300), DAMAGED_PICTURES))
def test_pictures(content: bytes) -> None:
    spec = TensorSpec(kind="image", shape=(3, 4, 4), dtype="uint8")
    rows = np.zeros((1, spec.num_bytes), np.uint8)
    assert len(pictures.decode_all([content], spec, rows)[0]) == 1
