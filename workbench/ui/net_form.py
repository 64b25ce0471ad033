"""The net of an experiment in a form: its blocks as rows, and what it becomes, as it is typed."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

import nets
from workbench.data import sources
from workbench.errors import WorkbenchError
from workbench.experiments.experiment import Experiment
from workbench.ui import forms
from workbench.ui.forms import Field


def edit_rows(field: Field, key: str) -> list[dict[str, Any]]:
    """A table of the field's rows: one can be added below the last, changed, or ticked and removed."""
    st.markdown(field.label.replace("_", " "), help=field.help)
    names = [column.path for column in field.columns]
    edited = st.data_editor(
        pd.DataFrame(list(field.value), columns=names),
        num_rows="dynamic",
        hide_index=True,
        key=key,
        column_config={column.path: _configure(column) for column in field.columns},
        placeholder="",
        alt=f"Rows of {field.path}",
    )
    return forms.read_rows(edited.to_dict("records"), field.columns)


def _configure(column: Field) -> Any:
    configs = st.column_config
    if column.kind == "choice":
        return configs.SelectboxColumn(
            options=list(column.choices), default=column.value, help=column.help
        )
    # Without a default an empty cell stays empty: that is the default of the setting
    return configs.NumberColumn(
        default=column.value, min_value=column.minimum, step=1, help=column.help
    )


def draw_layers(experiment: Experiment) -> None:
    """Shape and parameters of each layer, where the input's shape is known before the data is read."""
    try:
        size = sources.size(experiment.data.source)
        if size.spec is None:
            st.caption("The layers are known once the data has been read.")
            return
        net = nets.build(experiment.net, size.spec, size.num_outputs)
        layers = net.layers()
    except (WorkbenchError, nets.ConfigError) as error:
        st.error(str(error), icon=":material/error:")
        return
    frame = pd.DataFrame(
        {
            "layer": layer.name.removeprefix("body."),
            "output": " × ".join(map(str, layer.output_shape)),
            "parameters": layer.num_parameters,
        }
        for layer in layers
    )
    total = sum(parameter.numel() for parameter in net.parameters())
    flops = sum(layer.flops for layer in layers)
    st.markdown(
        f"**{total:,} parameters**, {flops:,} FLOPs per sample, input "
        f"{' × '.join(map(str, size.spec.shape))}"
    )
    st.dataframe(
        frame,
        hide_index=True,
        height="content",
        key="net_layers",
        alt="Layers of the net",
        column_config={"parameters": st.column_config.NumberColumn(format="localized")},
    )
