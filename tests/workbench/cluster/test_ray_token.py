"""Ray's token is this user's alone."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from workbench.cluster.ray_token import find_token_file, protect_token


@pytest.fixture(autouse=True)
def in_a_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("RAY_AUTH_TOKEN", raising=False)
    monkeypatch.delenv("RAY_AUTH_TOKEN_PATH", raising=False)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_token_is_made_for_this_user_only(tmp_path: Path) -> None:
    protect_token()
    path = tmp_path / ".ray" / "auth_token"
    assert find_token_file() == path
    assert (mode(path.parent), mode(path), len(path.read_text())) == (0o700, 0o600, 64)


def test_one_that_others_may_read_is_kept_and_protected(tmp_path: Path) -> None:
    path = tmp_path / ".ray" / "auth_token"
    path.parent.mkdir()
    path.write_text("token")
    path.chmod(0o644)
    protect_token()
    assert (mode(path), path.read_text()) == (0o600, "token")


def test_a_token_of_the_users_own_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = tmp_path / "shared"
    named.write_text("token")
    named.chmod(0o640)
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(named))
    protect_token()
    assert find_token_file() == named and mode(named) == 0o640
    monkeypatch.setenv("RAY_AUTH_TOKEN", "token")
    protect_token()
    assert find_token_file() is None
    assert not (tmp_path / ".ray").exists()
