"""Login through Streamlit's OpenID Connect, where it is configured: `[auth]` in its secrets file.

A login alone is not enough: only the addresses in WORKBENCH_UI_USERS may enter.
"""

from __future__ import annotations

import os

import streamlit as st


def require() -> None:
    """Stop the page for people who may not enter. Without `[auth]`, everybody at 127.0.0.1 may."""
    if not _has_login():
        return
    if not st.user.is_logged_in:
        st.header("Workbench", anchor=False)
        st.button("Log in", on_click=st.login, key="log_in", type="primary")
        st.stop()
    address = str(st.user.get("email", "")).lower()
    if not st.user.get("email_verified", False) or address not in read_allowed_users():
        st.error(f"{address or 'This account'} is not on the list of people who may enter.")
        st.button("Log out", on_click=st.logout, key="log_out")
        st.stop()


def read_allowed_users() -> set[str]:
    """Addresses in WORKBENCH_UI_USERS, separated by commas; nobody where it is not set."""
    listed = os.environ.get("WORKBENCH_UI_USERS", "").split(",")
    return {address.strip().lower() for address in listed if address.strip()}


def _has_login() -> bool:
    try:
        return "auth" in st.secrets
    except FileNotFoundError:
        return False
