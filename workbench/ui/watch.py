"""A page that notices what other programs write to the tracking store."""

from __future__ import annotations

import streamlit as st

from workbench.ui import store

_EVERY_S = 3


def redraw_on_change(key: str) -> None:
    """Draw the page again, within seconds, when the store has changed.

    Call it before the page reads the store. An embedded store costs one question to its file.
    """
    seen = f"stamp_{key}"
    st.session_state[seen] = store.refresh()

    @st.fragment(run_every=_EVERY_S)
    def watch() -> None:
        if store.read_stamp() != st.session_state[seen]:
            st.rerun()

    watch()
