"""Where in the table of runs a person is: the page, the sweep whose trials are shown, what is ticked."""

from __future__ import annotations

import streamlit as st

PAGE_SIZE = 50


def offset() -> int:
    """Rows before the page that is shown; the address keeps the page."""
    number = st.query_params.get("page", "1")
    return (int(number) - 1) * PAGE_SIZE if number.isdecimal() and 1 <= int(number) < 10**6 else 0


def go_to(first: int) -> None:
    """Show the page that begins after so many rows."""
    untick()
    if first:
        st.query_params["page"] = str(first // PAGE_SIZE + 1)
    else:
        st.query_params.pop("page", None)


def sweep() -> str:
    """Id of the sweep whose trials are shown; empty: all runs."""
    return st.query_params.get("sweep_id", "")


def open_sweep(run_id: str) -> None:
    """Show the trials of a sweep; of none: all runs."""
    go_to(0)
    if run_id:
        st.query_params["sweep_id"] = run_id
    else:
        st.query_params.pop("sweep_id", None)


def generation() -> int:
    """A number that is new once the ticks were taken away."""
    return int(st.session_state.get("runs_generation", 0))


def untick() -> None:
    """Take all ticks away."""
    st.session_state["runs_generation"] = generation() + 1
