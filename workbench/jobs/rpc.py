"""The socket between the bench and its clients: a line of JSON each way, this user only.

A Unix socket in a folder of mode 0700 opens no port. Its path may be longer than the 107 bytes the
kernel takes, so it is addressed through a descriptor of the folder (Linux).
"""

from __future__ import annotations

import json
import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from workbench.errors import ClusterError, WorkbenchError

_REQUEST_BYTES = 4 * 2**20
_TIMEOUT_S = 10.0


def call(folder: Path, request: dict[str, Any], timeout_s: float = _TIMEOUT_S) -> dict[str, Any]:
    """Send a request to the bench and return the answer.

    Raises:
        ClusterError: no bench answers.
        WorkbenchError: the bench refused; the message says why.
    """
    try:
        with _address(folder) as address, socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(timeout_s)
            connection.connect(address)
            connection.sendall(json.dumps(request).encode() + b"\n")
            with connection.makefile("rb") as stream:
                answer = json.loads(stream.readline() or b"{}")
    except (OSError, ValueError) as error:
        raise ClusterError(f"The bench does not answer ({error}).") from error
    if not answer:
        raise ClusterError("The bench ended before it answered.")
    if "error" in answer:
        raise WorkbenchError(answer["error"])
    result: dict[str, Any] = answer
    return result


class SocketServer:
    """Answers requests, each connection in a thread of its own, until it is closed."""

    def __init__(self, folder: Path, answer: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        self._answer = answer
        self._socket = socket.socket(socket.AF_UNIX)
        path = folder / "socket"
        path.unlink(missing_ok=True)
        with _address(folder) as address:
            self._socket.bind(address)
        path.chmod(0o600)
        self._socket.listen(16)
        threading.Thread(target=self._accept, name="bench-socket", daemon=True).start()

    def close(self) -> None:
        self._socket.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return  # closed
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as stream:
            connection.settimeout(_TIMEOUT_S)
            try:
                if _peer_uid(connection) != os.getuid():
                    return
                request = json.loads(stream.readline(_REQUEST_BYTES))
                answer = self._answer(request)
            except OSError:
                return
            except Exception as error:  # a bad request must not end the bench
                answer = {"error": str(error) or type(error).__name__}
            try:
                connection.sendall(json.dumps(answer).encode() + b"\n")
            except OSError:
                return  # the client has gone


def _peer_uid(connection: socket.socket) -> int:
    """The user id of the process at the other end."""
    size = struct.calcsize("3i")
    _, uid, _ = struct.unpack(
        "3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    )
    return int(uid)


@contextmanager
def _address(folder: Path) -> Iterator[str]:
    folder_fd = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder_fd}/socket"
    finally:
        os.close(folder_fd)
