from __future__ import annotations

import tomllib
from pathlib import Path

import workbench.ui

CONFIG = Path(workbench.ui.__file__).parent / ".streamlit" / "config.toml"


def test_the_ui_is_for_this_machine_and_tells_nobody() -> None:
    """Beside the app, so that it holds wherever `workbench ui` is run."""
    told = tomllib.loads(CONFIG.read_text())
    server = told["server"]
    assert server["address"] == "127.0.0.1"
    assert server["enableXsrfProtection"] and server["enableCORS"]
    assert server["maxUploadSize"] <= 8
    assert told["client"]["showErrorDetails"] == "none"
    assert not told["browser"]["gatherUsageStats"]
