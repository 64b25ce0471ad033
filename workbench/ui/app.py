"""The browser UI: `workbench ui`, or `streamlit run workbench/ui/server.py`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import streamlit as st
from PIL import Image

from nets import inside
from workbench.ui import login, search, widgets

# Not called "pages": Streamlit would serve the files of such a folder by itself, past the login.
_PAGES = Path(__file__).parent / "views"


# Heading of the menu to the file, title and icon of each page. No docstring: Streamlit would draw it
_MENU: dict[str, dict[str, tuple[str, str]]] = {
    "Runs": {
        "runs": ("Runs", "table_rows"),
        "run": ("Run", "article"),
        "compare": ("Compare", "compare_arrows"),
        "sweep": ("Sweep", "tune"),
    },
    "Inside": {
        "cnn": ("Inside a CNN", "grid_view"),
        "rnn": ("Inside an RNN", "timeline"),
        "health": ("Health", "monitor_heart"),
    },
    "Work": {
        "data": ("Data", "dataset"),
        "launch": ("Launch", "play_circle"),
        "bench": ("Bench", "dns"),
    },
}


def _page(name: str, title: str, icon: str) -> st.Page:
    path = _PAGES / f"{name}.py"
    return st.Page(path, title=title, icon=f":material/{icon}:", default=name == "runs")


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
    menu = {
        heading: [_page(name, title, icon) for name, (title, icon) in pages.items()]
        for heading, pages in _MENU.items()
    }
    chosen = st.navigation(menu, position="hidden")
    search.draw({name: title for pages in _MENU.values() for name, (title, _) in pages.items()})
    _draw_menu(menu)
    chosen.run()


def _draw_menu(menu: dict[str, list[st.Page]]) -> None:
    """Links to the pages. Streamlit's own menu has its headings among the items of a list, where a
    screen reader does not expect them, and no keyboard opens them."""
    with st.sidebar.container(key="menu", gap="xsmall"):
        for heading, pages in menu.items():
            st.caption(heading)
            for page in pages:
                st.page_link(page)


main()
