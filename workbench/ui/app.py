"""The browser UI: `workbench ui`, or `streamlit run workbench/ui/server.py`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import streamlit as st
from PIL import Image

from nets import inside
from workbench.ui import login, widgets

# Not called "pages": Streamlit would serve the files of such a folder by itself, past the login.
_PAGES = Path(__file__).parent / "views"


def _page(name: str, title: str, icon: str, *, default: bool = False) -> st.Page:
    path = _PAGES / f"{name}.py"
    return st.Page(path, title=title, icon=f":material/{icon}:", default=default)


def _icon() -> Image.Image:
    """Nine cells of a feature map. Made here: a named icon would be fetched from the internet."""
    cells = np.array([[0.2, 0.5, 0.9], [0.4, 1.0, 0.6], [0.7, 0.3, 0.1]], dtype=np.float32)
    return Image.fromarray(
        inside.montage(cells.reshape(9, 1, 1), tile=20, gap=2, columns=3, opaque=False)
    )


def main() -> None:
    """Set up the frame and run the chosen page."""
    st.set_page_config(page_title="Workbench", page_icon=_icon(), layout="wide")
    widgets.style()
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
                _page("data", "Data", "dataset"),
                _page("launch", "Launch", "play_circle"),
                _page("bench", "Bench", "dns"),
            ],
        }
    )
    chosen.run()


main()
