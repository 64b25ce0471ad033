"""What the pages show of a net, computed once per run, epoch, layer and input.

The caches are keyed by text and numbers only: run id, epoch, layer, and a digest of the input.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from torch import Tensor

from nets import inside
from nets.inside import Excitation, LayerHealth, Maximised
from workbench.ui.inside import artifacts

Array = NDArray[np.float32]

HEALTH_SAMPLES = 256
EXCITING_SAMPLES = 512


@dataclass(frozen=True)
class NetInput:
    """One input of a net: raw features (1, *shape), its length if it has one, and a name to show."""

    features: Tensor
    length: Tensor | None
    name: str

    @property
    def digest(self) -> str:
        """A digest of the content: the key for the caches."""
        return hashlib.sha256(self.features.contiguous().numpy().tobytes()).hexdigest()[:20]


@st.cache_data(max_entries=64, show_spinner=False)
def _maps(run_id: str, epoch: int | None, digest: str, _net_input: NetInput) -> dict[str, Array]:
    return inside.feature_maps(
        artifacts.net(run_id, epoch), _net_input.features, length=_net_input.length
    )


def maps(run_id: str, epoch: int | None, net_input: NetInput) -> dict[str, Array]:
    """Feature maps of every layer, the batch dimension taken off."""
    arrays = _maps(run_id, epoch, net_input.digest, net_input)
    return {name: array[0] for name, array in arrays.items()}


@st.cache_data(max_entries=16, show_spinner=False)
def _attention(
    run_id: str, epoch: int | None, digest: str, _net_input: NetInput
) -> dict[str, Array]:
    return inside.attention_maps(
        artifacts.net(run_id, epoch), _net_input.features, _net_input.length
    )


def attention(run_id: str, epoch: int | None, net_input: NetInput) -> dict[str, Array]:
    """The weights of every attention layer: (1, heads, queries, keys) each."""
    return _attention(run_id, epoch, net_input.digest, net_input)


@st.cache_data(max_entries=8, show_spinner=False)
def _layer_maps(
    run_id: str, epochs: tuple[int, ...], layer: str, digest: str, _net_input: NetInput
) -> dict[int, Array]:
    return {
        epoch: inside.feature_maps(
            artifacts.net(run_id, epoch), _net_input.features, length=_net_input.length
        )[layer][0]
        for epoch in epochs
    }


def layer_maps(
    run_id: str, epochs: tuple[int, ...], layer: str, net_input: NetInput
) -> dict[int, Array]:
    """One layer's maps after each of several epochs."""
    return _layer_maps(run_id, epochs, layer, net_input.digest, net_input)


@st.cache_data(max_entries=256, show_spinner=False)
def filters(run_id: str, epoch: int | None, layer: str) -> Array:
    """A convolution's weights."""
    return inside.filters(artifacts.net(run_id, epoch), layer)


@st.cache_data(max_entries=64, show_spinner=False)
def exciting_samples(
    run_id: str, epoch: int | None, layer: str, channel: int, count: int
) -> list[Excitation]:
    """The kept samples that excite a channel most."""
    kept = artifacts.samples(run_id)
    return inside.top_activating(
        artifacts.net(run_id, epoch),
        layer,
        channel,
        kept.features[:EXCITING_SAMPLES],
        count=count,
        length=None if kept.length is None else kept.length[:EXCITING_SAMPLES],
    )


@st.cache_data(max_entries=64, show_spinner=False)
def _attribution(
    run_id: str,
    epoch: int | None,
    digest: str,
    target: int,
    method: str,
    layer: str,
    _net_input: NetInput,
) -> Array:
    net: Any = artifacts.net(run_id, epoch)
    return inside.attribute(net, _net_input.features, target, method, layer=layer or None)  # type: ignore[arg-type]


def attribution(
    run_id: str, epoch: int | None, net_input: NetInput, target: int, method: str, layer: str = ""
) -> Array:
    """How much each pixel adds to output `target`."""
    return _attribution(run_id, epoch, net_input.digest, target, method, layer, net_input)


@st.cache_data(max_entries=64, show_spinner=False)
def exciting_input(
    run_id: str, epoch: int | None, layer: str, channel: int, steps: int
) -> Maximised:
    """An input made to excite a channel."""
    kept = artifacts.samples(run_id)
    net = artifacts.net(run_id, epoch)
    return inside.maximise(net, layer, channel, kept.features[:1], steps=steps)


@st.cache_data(max_entries=64, show_spinner=False)
def health(run_id: str, epoch: int | None) -> list[LayerHealth]:
    """Every activation layer on the first kept samples."""
    kept = artifacts.samples(run_id)
    length = None if kept.length is None else kept.length[:HEALTH_SAMPLES]
    return inside.health(artifacts.net(run_id, epoch), kept.features[:HEALTH_SAMPLES], length)


def scores(run_id: str, epoch: int | None, net_input: NetInput) -> Array:
    """(num_outputs,) of one input."""
    values: Array = inside.scores(
        artifacts.net(run_id, epoch), net_input.features, net_input.length
    )[0]
    return values
