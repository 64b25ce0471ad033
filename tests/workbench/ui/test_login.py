from __future__ import annotations

import pytest

from workbench.ui import login


def test_nobody_is_allowed_unless_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORKBENCH_UI_USERS", raising=False)
    assert login.read_allowed_users() == set()
    monkeypatch.setenv("WORKBENCH_UI_USERS", " Ann@Example.org, bob@example.org,, ")
    assert login.read_allowed_users() == {"ann@example.org", "bob@example.org"}
