"""Ray's token: whoever has it runs code as this user, so only this user may read it."""

from __future__ import annotations

import importlib
import os
import secrets
from pathlib import Path
from typing import Any


def find_token_file() -> Path | None:
    """The file that Ray takes its token from; None where the environment holds the token itself."""
    if os.environ.get("RAY_AUTH_TOKEN"):
        return None
    named = os.environ.get("RAY_AUTH_TOKEN_PATH")
    return Path(named) if named else Path.home() / ".ray" / "auth_token"


def protect_token() -> None:
    """Make the token, or take away what others may do with it.

    Ray makes the file with the permissions of any other, which mostly lets all users of the
    machine read it. A file named by RAY_AUTH_TOKEN_PATH is left as its owner made it.
    """
    path = find_token_file()
    if path is None or os.environ.get("RAY_AUTH_TOKEN_PATH"):
        return
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        made = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        if path.stat().st_mode & 0o077 and path.stat().st_uid == os.getuid():
            path.chmod(0o600)
        return
    with os.fdopen(made, "w") as file:
        file.write(secrets.token_hex(32))


def use_token() -> None:
    """Have this process show the token to every Ray that it starts or joins.

    By itself Ray asks for a token where it is started, and shows none where it is joined. A
    RAY_AUTH_MODE that somebody has set is left as it is.
    """
    protect_token()
    if os.environ.setdefault("RAY_AUTH_MODE", "token") != "token":
        return
    # Ray may have been imported, and both have been read, before.
    raylet: Any = importlib.import_module("ray._raylet")  # without types
    raylet.Config.initialize("")
    raylet.AuthenticationTokenLoader.instance().reset_cache()


def read_token() -> str | None:
    """The token itself; None where there is none."""
    path = find_token_file()
    if path is None:
        return os.environ["RAY_AUTH_TOKEN"]
    return path.read_text().strip() if path.is_file() else None
