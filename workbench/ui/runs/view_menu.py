"""The menu of saved views of the table of runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import streamlit as st

from workbench.errors import WorkbenchError
from workbench.ui.runs import saved_views

_PARAMETER = "view"
Defaults = Mapping[str, tuple[Any, Sequence[Any] | None]]
"""Key of a control to its usual value and its choices (None: any text)."""


def open_from_address(defaults: Defaults) -> None:
    """The view in the address (`?view=`), once. Call it before the controls are drawn."""
    name = st.query_params.get(_PARAMETER)
    if name is None or st.session_state.get("view_opened") == name:
        return
    st.session_state["view_opened"] = name
    if set(st.query_params) & set(defaults):
        return  # the address has the controls themselves, as changed since the view was opened
    try:
        view = saved_views.read_views().get(name)
    except WorkbenchError as error:
        st.warning(str(error), icon=":material/error:")
        return
    if view is None:
        st.warning(f"There is no saved view {name[:60]!r}.", icon=":material/link_off:")
    else:
        _apply(name, view, defaults)


def draw(defaults: Defaults) -> None:
    """A menu to open, save and remove views."""
    with st.popover("Views", icon=":material/bookmarks:", help="Filter, order and columns by name"):
        try:
            views = saved_views.read_views()
        except WorkbenchError as error:
            st.warning(str(error), icon=":material/error:")
            return
        for name, view in views.items():
            bar = st.container(horizontal=True, vertical_alignment="center")
            bar.button(name, key=f"view_{name}", on_click=_apply, args=(name, view, defaults))
            bar.caption(f"`?view={quote(name)}`")
            bar.button(
                "Remove", key=f"view_remove_{name}", type="tertiary", on_click=_remove, args=(name,)
            )
        with st.form("view_form", border=False, clear_on_submit=True):
            new = st.text_input(
                "Save what is shown as", key="view_name", placeholder="best of week"
            )
            if st.form_submit_button("Save view"):
                _save((new or "").strip(), defaults)


def _apply(name: str, view: saved_views.View, defaults: Defaults) -> None:
    """Set the controls. What the store no longer has is left out."""
    for key, (usual, choices) in defaults.items():
        value = view.get(key, usual)
        if choices is not None and isinstance(value, list):
            value = [v for v in value if v in choices]
        elif choices is not None and value not in choices:
            value = usual
        st.session_state[key] = value
        if f"seen_{key}" in st.session_state:  # of `widgets.choose`: the view is the address now
            st.query_params.pop(key, None)
            st.session_state[f"seen_{key}"] = None
    st.query_params[_PARAMETER] = name
    st.query_params.pop("page", None)
    st.session_state["view_opened"] = name


def _save(name: str, defaults: Defaults) -> None:
    view = {key: st.session_state.get(key, usual) for key, (usual, _) in defaults.items()}
    try:
        saved_views.save_view(name, view)
    except WorkbenchError as error:
        st.error(str(error))
        return
    st.session_state["view_opened"] = name
    st.query_params[_PARAMETER] = name
    st.rerun()


def _remove(name: str) -> None:
    saved_views.remove_view(name)
    if st.query_params.get(_PARAMETER) == name:
        st.query_params.pop(_PARAMETER)
