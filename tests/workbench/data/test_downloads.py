"""Downloads, from a real HTTP server on this machine that can also break off, lie and refuse."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from workbench.data import download_if_missing, downloads
from workbench.data.downloads import DataSet, RemoteFile
from workbench.data.sources.paths import find_or_download, find_path
from workbench.errors import DataError
from workbench.progress import Event, Note, Progress, Stage

BODY = bytes(range(256)) * 8192  # 2 MiB
LABELS = b"labels" * 100


class Server(ThreadingHTTPServer):
    """Knows /images and /labels; `plan` says how the next requests are answered."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.plan: list[str] = []
        self.ranges: list[str | None] = []


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        range_header = self.headers.get("Range")
        if self.command == "GET":
            self.server.ranges.append(range_header)
        how = self.server.plan.pop(0) if self.server.plan else ""
        body = BODY if self.path == "/images" else LABELS
        if how == "refuse" or self.path not in ("/images", "/labels"):
            self.send_error(404)
            return
        if how == "other":
            body = b"<html>please log in</html>"
        start = (
            int(range_header.removeprefix("bytes=").rstrip("-"))
            if range_header and how != "whole"
            else 0
        )
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        self.end_headers()
        if self.command == "GET":
            sent = body[start:]
            self.wfile.write(sent[: len(sent) // 2] if how == "break" else sent)

    def log_message(self, format: str, *args: Any) -> None: ...


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as opened:
        thread = threading.Thread(target=opened.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield opened
        opened.shutdown()
        thread.join()


@pytest.fixture
def name(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A set of two files, of that server."""
    url = f"http://127.0.0.1:{server.server_port}"
    files = (
        RemoteFile(url=f"{url}/images", size=len(BODY), checksum=f"sha256:{sha256(BODY)}"),
        RemoteFile(
            url=f"{url}/labels",
            size=len(LABELS),
            checksum=f"md5:{hashlib.md5(LABELS).hexdigest()}",
        ),
    )
    sets = {"small": DataSet(name="small", about="", files=files)}
    monkeypatch.setattr(downloads, "DATA_SETS", sets)
    monkeypatch.setenv("WORKBENCH_DATA", str(tmp_path / "data"))
    return "small"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_files_arrive_whole_and_once_and_are_reported(name: str, server: Server) -> None:
    reports: list[tuple[int, int]] = []
    folder = downloads.fetch(name, lambda done, size: reports.append((done, size)))
    assert (folder / "images").read_bytes() == BODY
    assert (folder / "labels").read_bytes() == LABELS
    whole = len(BODY) + len(LABELS)
    assert reports[-1] == (whole, whole) and reports == sorted(reports)
    assert downloads.fetch(name) == folder
    assert len(server.ranges) == 2
    assert not list(folder.glob("*.part"))


def test_what_broke_off_is_continued(name: str, server: Server) -> None:
    server.plan = ["break", "break"]
    folder = downloads.fetch(name)
    half = len(BODY) // 2
    assert server.ranges == [None, f"bytes={half}-", f"bytes={half + half // 2}-", None]
    assert (folder / "images").read_bytes() == BODY


def test_a_later_process_continues_too(name: str, server: Server) -> None:
    part = downloads.locate(name) / "images.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(BODY[:1000])
    assert (downloads.fetch(name) / "images").read_bytes() == BODY
    assert server.ranges[0] == "bytes=1000-"


def test_a_server_without_ranges_sends_it_again(name: str, server: Server) -> None:
    part = downloads.locate(name) / "images.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"x" * 1000)
    server.plan = ["whole"]
    assert (downloads.fetch(name) / "images").read_bytes() == BODY


def test_other_bytes_are_refused_and_leave_nothing(name: str, server: Server) -> None:
    part = downloads.locate(name) / "images.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"x" * len(BODY))  # as long as the file, and another one
    with pytest.raises(
        DataError, match=r"gave 2,097,152 bytes with sha256 .* login page may stand"
    ):
        downloads.fetch(name)
    assert not part.exists() and not (part.parent / "images").exists()
    assert (downloads.fetch(name) / "images").read_bytes() == BODY


def test_a_short_page_in_place_of_the_file_is_refused(name: str, server: Server) -> None:
    server.plan = ["other"] + ["refuse"] * 10
    with pytest.raises(DataError, match=r"is not here and .* cannot be read \(HTTP Error 404"):
        downloads.fetch(name)


def test_a_file_that_is_not_there_says_where_to_put_it(name: str, server: Server) -> None:
    server.plan = ["refuse"]
    with pytest.raises(DataError, match=r"put the file into .*small, or name its place with"):
        downloads.fetch(name)
    assert len(server.ranges) == 1  # no use in asking again


def test_without_a_network_nothing_else_begins(name: str, server: Server) -> None:
    server.shutdown()
    server.server_close()
    with pytest.raises(DataError, match=r"images \(2,097,152 bytes\) is not here and .*refused"):
        find_path(name, "a folder")
    with pytest.raises(DataError, match="Without a network, put the file into"):
        find_or_download(name, "a folder")


def test_the_name_of_a_set_is_a_path(name: str, server: Server, tmp_path: Path) -> None:
    assert find_path(name, "a folder") == tmp_path / "data" / "small"
    assert server.ranges == []  # only looked at
    assert (find_or_download(name, "a folder") / "labels").is_file()
    assert find_path(name, "a folder").is_dir()
    with pytest.raises(
        DataError, match=r"got 'smal', where there is nothing. Did you mean small\?"
    ):
        find_path("smal", "a folder")


def test_progress_is_reported_in_tenths(name: str, server: Server) -> None:
    class Watching(Progress):
        def __init__(self) -> None:
            self.lines: list[str] = []

        def handle(self, event: Event) -> None:
            if isinstance(event, Stage):
                self.lines.append(event.name)
            elif isinstance(event, Note):
                self.lines.append(event.text)

    progress = Watching()
    download_if_missing(name, progress)
    assert progress.lines[0] == "Downloading small (2 MB)"
    assert progress.lines[-1] == "small: 2 of 2 MB" and len(progress.lines) <= 11
    download_if_missing(name, progress)
    download_if_missing("elsewhere", progress)
    assert len(progress.lines) <= 11


def test_an_unknown_set_names_the_known() -> None:
    with pytest.raises(DataError, match="Did you mean 'cifar-10'"):
        downloads.fetch("cifar10")
