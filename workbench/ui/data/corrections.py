"""A form for what was decided about data: its fields become settings, as `--set` takes them."""

from __future__ import annotations

from typing import Any

import streamlit as st

from nets.config import from_dict
from nets.errors import ConfigError
from workbench.data import DataConfig
from workbench.experiments.experiment import Experiment
from workbench.ui import forms
from workbench.ui.forms import Field

_HIDDEN = ("data.source.path",)
_NOW = "data_describe_now"


def fields_of(description: dict[str, Any]) -> list[Field]:
    """The settings of the source and its split, with the values that were used; [] of an older record."""
    try:
        tree = {"source": description["source"], "split": description["split"]}
        experiment = Experiment(name="described", data=from_dict(DataConfig, tree))
    except ConfigError:
        return []
    return [
        field
        for field in forms.fields(experiment)
        if field.path.startswith(("data.source.", "data.split.")) and field.path not in _HIDDEN
    ]


def draw(description: dict[str, Any], changes: list[str]) -> None:
    """The form. Pressed, its changes join the lines of corrections, and the data is described again."""
    fields = fields_of(description)
    if not fields:
        return
    title = "Correct what was decided"
    with st.expander(title, icon=":material/edit:"), st.form("data_corrections", border=False):
        places = st.columns(2)
        for i, field in enumerate(fields):
            with places[i % 2]:
                _draw_field(field, _key(description, field))
        st.form_submit_button(
            "Describe with these",
            key="data_correct",
            on_click=_take,
            args=(description, fields, changes),
        )


def pressed() -> bool:
    """Whether the form was sent just now."""
    return bool(st.session_state.pop(_NOW, False))


def merge(lines: list[str], changed: dict[str, str]) -> list[str]:
    """Corrections, one a line, with the changed settings in place of earlier ones of the same path."""
    kept = [line for line in lines if line.partition("=")[0].strip() not in changed]
    return [*kept, *(f"{path}={text}" for path, text in changed.items())]


def _key(description: dict[str, Any], field: Field) -> str:
    return f"correct_{description['fingerprint']}_{field.path}"


def _draw_field(field: Field, key: str) -> None:
    name = field.path.removeprefix("data.").replace(".", ": ").replace("_", " ")
    if field.kind in ("choice", "switch"):
        options = list(field.choices) if field.kind == "choice" else [True, False]
        st.selectbox(name, options, index=options.index(field.value), key=key, help=field.help)
    else:
        st.text_input(name, forms.as_text(field.value), key=key, help=field.help)


def _take(description: dict[str, Any], fields: list[Field], lines: list[str]) -> None:
    changed = {}
    for field in fields:
        value = st.session_state.get(_key(description, field), field.value)
        text = forms.as_text(value)
        if text != forms.as_text(field.value):
            changed[field.path] = text
    st.session_state["set"] = "\n".join(merge(lines, changed))
    st.session_state[_NOW] = True
