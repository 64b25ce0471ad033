"""A picture of one's own, as an input of a net."""

from __future__ import annotations

import streamlit as st
import torch

from nets import Net
from workbench.ui import store
from workbench.ui.errors import Missing
from workbench.ui.inside import artifacts
from workbench.ui.inside.cache import NetInput
from workbench.ui.inside.images import MAX_BYTES, TYPES, decode


def pick_upload(run: store.Run, model: Net) -> NetInput:
    """Ask for a picture and read it as the run's net takes it.

    Raises:
        Missing: none was chosen yet, or the net takes no pictures.
        UploadError: the file is no picture.
    """
    file = st.file_uploader(
        "A picture of your own",
        type=list(TYPES),
        key="upload",
        max_upload_size=MAX_BYTES // 2**20,
        help="Read in memory for this view only; never stored.",
    )
    invert = st.toggle("Light on dark: invert", key="invert")
    if file is None:
        raise Missing("Choose a picture to see what the net makes of it.")
    if model.spec.kind != "image" or model.spec.dtype != "uint8":
        raise Missing("This net does not take pictures of whole-number pixels.")
    try:
        top = artifacts.value_top(artifacts.samples(run.id).features)
    except Missing:
        top = 255
    channels, height, width = model.spec.shape
    sample = decode(file.getvalue(), (channels, height, width), top=top, invert=bool(invert))
    return NetInput(torch.from_numpy(sample)[None], None, name="your picture")
