"""What a person chooses to look at: an epoch, a sample, a layer, a filter."""

from __future__ import annotations

import streamlit as st
import torch

from nets import Net, inside
from workbench.ui import widgets
from workbench.ui.inside import artifacts
from workbench.ui.inside.artifacts import Samples


def pick_epoch(run_id: str) -> int | None:
    """An epoch whose weights were kept; None: the kept model, because no epochs were."""
    kept_epochs = artifacts.epochs(run_id)
    if len(kept_epochs) < 2:
        st.caption("One set of weights: this run kept no checkpoint per epoch.")
        link_to_train_alone(run_id)
        return kept_epochs[0] if kept_epochs else None
    value = st.select_slider(
        "Epoch (0 = before training)",
        kept_epochs,
        value=kept_epochs[-1],
        key="epoch",
        bind="query-params",
    )
    return int(value)


def link_to_train_alone(run_id: str) -> None:
    """The way from a trial to a training with its settings, which keeps the weights of each epoch."""
    st.page_link(
        "views/launch.py",
        label="Train it alone, with the weights of each epoch",
        query_params={"run": run_id},
        icon=":material/replay:",
    )


def pick_sample(samples: Samples, names: list[str] | None, key: str = "sample") -> int:
    """A sample by number; its label is shown beside it."""
    index = st.number_input(
        f"Sample of the {samples.split} split (0 to {len(samples) - 1})",
        min_value=0,
        max_value=len(samples) - 1,
        value=0,
        key=key,
        bind="query-params",
    )
    if samples.label is not None and not samples.label.is_floating_point():
        st.caption(f"label: **{artifacts.class_name(names, int(samples.label[index]))}**")
    return int(index)


def pick_scale(key: str) -> inside.Scale:
    """One colour range for all maps of a layer, or every map its own."""
    help_text = "common: one range for all maps of a layer; each: every map its own."
    chosen = widgets.choose("Scale", ["common", "each"], key, help=help_text)
    return "each" if chosen == "each" else "common"


def pick_layer(model: Net, *, key: str = "layer") -> str:
    """One of the convolutions."""
    names = inside.convolutions(model)
    chosen = st.selectbox("Layer", names, format_func=shorten, key=key, bind="query-params")
    return chosen or names[0]


def pick_channel(model: Net, layer: str, key: str) -> int:
    """One of a convolution's filters."""
    module = dict(model.named_modules())[layer]
    assert isinstance(module, torch.nn.Conv2d)
    return int(
        st.number_input(
            f"Filter (0 to {module.out_channels - 1})",
            0,
            module.out_channels - 1,
            0,
            key=key,
            bind="query-params",
        )
    )


def shorten(layer: str) -> str:
    """A layer's name without the part that all share."""
    return layer.removeprefix("body.")
