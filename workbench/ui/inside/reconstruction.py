"""What an autoencoder makes of the kept samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import streamlit as st
import torch
from numpy.typing import NDArray

from nets import inside
from workbench.ui.errors import Missing
from workbench.ui.inside import artifacts

_SAMPLES = 256


@dataclass(frozen=True, kw_only=True)
class Reconstruction:
    """Kept samples as the net takes them, and as it gives them back."""

    inputs: NDArray[np.float32]
    """(n, *shape), prepared."""
    outputs: NDArray[np.float32]
    errors: NDArray[np.float32]
    """(n,) mean squared error."""
    code_size: int | None


@st.cache_data(max_entries=8, show_spinner=False)
def read(run_id: str) -> Reconstruction:
    """Run the kept samples through the kept net.

    Raises:
        Missing: the run kept no samples or no net.
    """
    net = artifacts.net(run_id)
    features = artifacts.samples(run_id).features[:_SAMPLES]
    inputs = inside.prepare_features(net, features).numpy()
    scores = inside.scores(net, features)
    if scores.size != inputs.size:
        raise Missing("This net does not give its input back.")
    outputs = scores.reshape(inputs.shape)
    errors = np.square(outputs - inputs).reshape(len(inputs), -1).mean(axis=1)
    with torch.inference_mode():
        _, _, code = net.reconstruct(features[:1])
    size = None if code is None else code.shape[1]
    return Reconstruction(inputs=inputs, outputs=outputs, errors=errors, code_size=size)
