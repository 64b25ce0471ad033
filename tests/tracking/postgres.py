"""A real PostgreSQL of this machine's packages, on a free port and in a folder of its own."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg

from tracking.store import connect

_START_S = 60
_EMPTY = "empty"


def programs() -> Path | None:
    """The folder with `initdb` and `postgres`; None where PostgreSQL is not installed."""
    on_path = shutil.which("initdb")  # Debian's package keeps it off the PATH
    found = [Path(on_path)] if on_path else sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].resolve().parent if found else None


class Postgres:
    """A server that can be killed and started again. Everyone on this machine may write to it."""

    def __init__(self, folder: Path) -> None:
        found = programs()
        assert found is not None
        self.folder, self._programs = folder, found
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None
        self._user = _user()
        if self._user:
            shutil.chown(folder, self._user["user"])
        subprocess.run(
            [
                found / "initdb",
                "--pgdata",
                folder / "data",
                "--auth=trust",
                "--username=workbench",
                "--locale=C.UTF-8",
                "--encoding=UTF8",
                "--no-sync",
            ],
            check=True,
            cwd=folder,
            stdout=subprocess.DEVNULL,
            **self._user,
        )

    def start(self) -> None:
        """Start it and return when it answers."""
        with (self.folder / "postgres.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    self._programs / "postgres",
                    "-D",
                    self.folder / "data",
                    "-k",
                    self.folder,
                    "-h",
                    "127.0.0.1",
                    "-p",
                    str(self.port),
                    "-F",
                ],
                cwd=self.folder,
                stdout=log,
                stderr=log,
                **self._user,
            )
        deadline = time.monotonic() + _START_S
        while not self._answers():
            assert self._process.poll() is None, (self.folder / "postgres.log").read_text()[-3000:]
            assert time.monotonic() < deadline, "PostgreSQL did not start"
            time.sleep(0.05)

    def kill(self) -> None:
        """End it as a machine's crash would: what it had not stored is gone."""
        self._end(signal.SIGQUIT)

    def stop(self) -> None:
        self._end(signal.SIGINT)

    def uri(self, name: str) -> str:
        return f"postgresql://workbench@127.0.0.1:{self.port}/{name}"

    def store(self, name: str) -> str:
        """The address of a new, empty tracking store: a copy of one that is made once."""
        if not self.ask("SELECT 1 FROM pg_database WHERE datname = %s", _EMPTY):
            self._do(f'CREATE DATABASE "{_EMPTY}"')
            client = connect(self.uri(_EMPTY))
            client._tracking_client.store.engine.dispose()  # a template has no visitors
        self._do(f'CREATE DATABASE "{name}" TEMPLATE "{_EMPTY}"')
        return self.uri(name)

    def ask(self, statement: str, *values: Any, name: str = "postgres") -> Sequence[Any]:
        """The rows that a statement gives."""
        with psycopg.connect(self.uri(name)) as connection:
            return connection.execute(statement, values).fetchall()  # type: ignore[arg-type]

    def _do(self, statement: str) -> None:
        with psycopg.connect(self.uri("postgres"), autocommit=True) as connection:
            connection.execute(statement)  # type: ignore[arg-type]

    def _answers(self) -> bool:
        with suppress(psycopg.OperationalError):
            return bool(self.ask("SELECT 1"))
        return False

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(timeout=30)
            self._process = None


def folder() -> Path:
    """A folder that other users can enter, as pytest's are not."""
    return Path(tempfile.mkdtemp(prefix="workbench-postgres-"))


def _user() -> dict[str, Any]:
    """PostgreSQL refuses to run as root; its package brings a user for it."""
    if os.getuid():
        return {}
    found = pwd.getpwnam("postgres")
    return {"user": found.pw_name, "group": found.pw_gid, "extra_groups": []}
