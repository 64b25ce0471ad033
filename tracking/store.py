"""Finds and opens the tracking store: an MLflow server, a database, or the embedded SQLite file."""

from __future__ import annotations

import os
import re
import socket
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from tracking import mlflow_private
from tracking.errors import TrackingError
from tracking.home import home_folder

if TYPE_CHECKING:
    from mlflow import MlflowClient

_SQLITE = "sqlite:///"
_PORTS = {"postgresql": 5432, "mysql": 3306, "mssql": 1433, "http": 80, "https": 443}
_DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
_DRIVERS = {"psycopg": "'psycopg[binary]'", "MySQLdb": "mysqlclient"}
"""Packages to install whose name differs from the module's."""
_REACH_S = 5.0
_creating = threading.Lock()
"""Alembic, which creates the tables, has global state: one thread at a time."""
_WAY_OUT = "Start it, correct MLFLOW_TRACKING_URI, or unset it for the embedded store."


def store_uri(uri: str | None = None) -> str:
    """The store's address: `uri`, else MLFLOW_TRACKING_URI, else the embedded one.

    A relative SQLite path becomes absolute: processes of one job run in several folders.
    """
    uri = uri or os.environ.get("MLFLOW_TRACKING_URI") or f"{_SQLITE}{home_folder() / 'mlflow.db'}"
    file = sqlite_file(uri)
    return uri if file is None else f"{_SQLITE}{file}"


def sqlite_file(uri: str) -> Path | None:
    """The file of an SQLite store; None for every other store."""
    path = uri.removeprefix(_SQLITE).partition("?")[0]
    return Path(path).resolve() if uri.startswith(_SQLITE) and path else None


def is_database(uri: str) -> bool:
    """Whether the store is a database that SQL can query."""
    return _scheme(uri) in _DATABASES


def artifact_root(uri: str, experiment: str) -> str | None:
    """Where a new experiment's files go. None: the server decides.

    With a database: below MLFLOW_DEFAULT_ARTIFACT_ROOT, which may be `s3://bucket/folder`; else
    beside an SQLite store, and in `home_folder()` for another.
    """
    if not is_database(uri):
        return None
    name = re.sub(r"[^\w.-]", "_", experiment)[:60]
    if root := os.environ.get("MLFLOW_DEFAULT_ARTIFACT_ROOT"):
        return (
            f"{root.rstrip('/')}/{name}"
            if "://" in root
            else (Path(root) / name).resolve().as_uri()
        )
    file = sqlite_file(uri)
    folder = home_folder() if file is None else file.parent
    return (folder / "artifacts" / name).as_uri()


def hide_passwords(text: str) -> str:
    """Text with the passwords of the addresses in it hidden."""
    text = re.sub(r"(://[^:/@\s]*):\S*@", r"\1:***@", text)
    text = re.sub(r"(?i)\b(password|token|secret)=[^&\s]+", r"\1=***", text)
    return re.sub(r"(?i)([?&][\w-]*key)=[^&\s]+", r"\1=***", text)


def reason(error: BaseException) -> str:
    """The first line of an error, without passwords."""
    lines = str(error).strip().splitlines()
    return hide_passwords(lines[0] if lines else type(error).__name__)


def connect(uri: str | None = None) -> MlflowClient:
    """A client of the store, after a test call. A missing SQLite store is created.

    Raises:
        TrackingError: it cannot be reached or read; after seconds, not MLflow's minutes.
    """
    uri = store_uri(uri)
    mlflow_private.quiet()
    from mlflow import MlflowClient

    try:
        _check_scheme(uri)
        file = sqlite_file(uri)
        if file is None:
            _reach(uri)
        else:
            with _creating:
                if not file.exists() or not file.stat().st_size:
                    _create(file)
            _check_file(file)
        client = MlflowClient(uri)
        client.search_experiments(max_results=1)
    except TrackingError:
        raise
    except ModuleNotFoundError as error:
        raise TrackingError(
            f"The tracking store {hide_passwords(uri)} needs the Python package {error.name!r}. Install it "
            f"beside the workbench: pip install {_DRIVERS.get(error.name or '', error.name)}."
        ) from error
    except Exception as error:  # MLflow, SQLAlchemy, drivers and requests have their own
        raise TrackingError(
            f"The tracking store {hide_passwords(uri)} cannot be used: {reason(error)}. {_WAY_OUT}"
        ) from error
    return client


def check(uri: str | None = None) -> str:
    """One line about the store, for people. Does not create a missing store.

    Raises:
        TrackingError: it cannot be used.
    """
    uri = store_uri(uri)
    file = sqlite_file(uri)
    if file is not None and not file.exists():
        folder = next(p for p in file.parents if p.exists())
        if not os.access(folder, os.W_OK):
            raise TrackingError(
                f"The tracking store {uri} cannot be created: {folder} is not writable. Set "
                "WORKBENCH_HOME to a folder that is."
            )
        return f"{uri} (the first run creates it)"
    count = len(connect(uri).search_experiments(max_results=1000))
    return f"{hide_passwords(uri)} ({count} experiment{'s' * (count != 1)})"


def _scheme(uri: str) -> str:
    return uri.partition(":")[0].partition("+")[0] if ":" in uri else ""


def _check_scheme(uri: str) -> None:
    scheme = _scheme(uri)
    if uri in ("databricks", "uc") or scheme in ("databricks", "databricks-uc", "uc"):
        return
    if scheme not in _PORTS and sqlite_file(uri) is None:
        raise TrackingError(
            "A tracking store is an MLflow server (http://host:port) or a database "
            f"(sqlite:////folder/mlflow.db, postgresql://...), got {hide_passwords(uri)!r}. Folders of files "
            f"are no longer a store since MLflow 3. {_WAY_OUT}"
        )


def _reach(uri: str) -> None:
    """Refuse an address that nobody listens on; MLflow would retry for minutes."""
    parts = urlsplit(uri)
    scheme = _scheme(uri)
    proxied = scheme in ("http", "https") and (
        os.environ.get(f"{scheme}_proxy") or os.environ.get(f"{scheme.upper()}_PROXY")
    )
    if parts.hostname is None or proxied:
        return
    port = parts.port or _PORTS.get(scheme, 0)
    try:
        socket.create_connection((unquote(parts.hostname), port), timeout=_REACH_S).close()
    except OSError as error:
        raise TrackingError(
            f"The tracking store {hide_passwords(uri)} cannot be reached: {error.strerror or error} "
            f"({parts.hostname}, port {port}). {_WAY_OUT}"
        ) from error


def _check_file(file: Path) -> None:
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=rw", uri=True, timeout=20)) as database:
        database.execute("PRAGMA schema_version").fetchone()


def _create(file: Path) -> None:
    """Create an SQLite store, complete or not at all, even if several processes do so at once."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.{os.getpid()}.{os.urandom(4).hex()}")
    try:
        mlflow_private.create_database(f"{_SQLITE}{draft}", (file.parent / "artifacts").as_uri())
        with closing(sqlite3.connect(draft)) as database:
            # Readers and writer do not wait for each other, and a commit needs one sync only.
            database.execute("PRAGMA journal_mode = WAL")
        try:
            os.link(draft, file)
        except FileExistsError:
            if not file.stat().st_size:
                os.replace(draft, file)
        except OSError:  # no hard links on this file system
            os.replace(draft, file)
    finally:
        for left in file.parent.glob(f"{draft.name}*"):
            left.unlink(missing_ok=True)
