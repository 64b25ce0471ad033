"""The browser UI: `streamlit run workbench/ui/app.py`."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from workbench.ui import login, parts

_PAGES = Path(__file__).parent / "pages"


def _page(name: str, title: str, icon: str, *, default: bool = False) -> st.Page:
    path = _PAGES / f"{name}.py"
    return st.Page(path, title=title, icon=f":material/{icon}:", default=default)


def main() -> None:
    """Set up the frame and run the chosen page."""
    st.set_page_config(page_title="Workbench", page_icon="🔬", layout="wide")
    parts.style()
    login.require()
    chosen = st.navigation(
        {
            "Runs": [
                _page("runs", "Runs", "table_rows", default=True),
                _page("run", "Run", "article"),
                _page("compare", "Compare", "compare_arrows"),
                _page("sweep", "Sweep", "tune"),
            ],
            "Inside": [
                _page("cnn", "Inside a CNN", "grid_view"),
                _page("rnn", "Inside an RNN", "timeline"),
                _page("health", "Health", "monitor_heart"),
            ],
            "Work": [
                _page("launch", "Launch", "play_circle"),
                _page("bench", "Bench", "dns"),
            ],
        }
    )
    chosen.run()


main()
