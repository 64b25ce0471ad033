"""Ray's token. Whoever has it can run code as this user, so only this user may read it."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from workbench import ray_private


def find_token_file() -> Path | None:
    """The file from which Ray reads its token; None where the environment has the token itself."""
    if os.environ.get("RAY_AUTH_TOKEN"):
        return None
    path = os.environ.get("RAY_AUTH_TOKEN_PATH")
    return Path(path) if path else Path.home() / ".ray" / "auth_token"


def protect_token() -> None:
    """Make the token where there is none, and let only this user read it.

    Ray would make the file with default permissions, and mostly all users of the machine could read
    it. A file that RAY_AUTH_TOKEN_PATH names is left as it is.
    """
    path = find_token_file()
    if path is None or os.environ.get("RAY_AUTH_TOKEN_PATH"):
        return
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        file_descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        if path.stat().st_mode & 0o077 and path.stat().st_uid == os.getuid():
            path.chmod(0o600)
        return
    with os.fdopen(file_descriptor, "w") as file:
        file.write(secrets.token_hex(32))


def use_token() -> None:
    """Make this process use the token with every Ray that it starts or joins.

    By default Ray asks for a token where it is started, but sends none where it joins. A
    RAY_AUTH_MODE that is set already is left as it is.
    """
    protect_token()
    if os.environ.setdefault("RAY_AUTH_MODE", "token") != "token":
        return
    ray_private.read_token_again()  # Ray may have been imported, and have read both, before


def read_token() -> str | None:
    """The token itself; None where there is none."""
    path = find_token_file()
    if path is None:
        return os.environ["RAY_AUTH_TOKEN"]
    return path.read_text().strip() if path.is_file() else None
