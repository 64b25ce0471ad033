"""Look inside a trained net: filters, feature maps, health, attribution, states over time.

Torch only. Every function works on a private copy of the module tree (the tensors are shared), so
one cached net can be looked at by many threads at once. `features` are raw encoded samples, as the
net takes them; pictures come out as numpy arrays.
"""

from __future__ import annotations

from nets.inside.attribution import (
    METHODS,
    attribute,
    grad_cam,
    integrated_gradients,
    occlusion,
    step_attribution,
)
from nets.inside.capture import layer_names, private
from nets.inside.feature_maps import (
    Excitation,
    Maximised,
    feature_maps,
    maximise,
    prepared,
    probabilities,
    receptive_field,
    scores,
    top_activating,
)
from nets.inside.filters import (
    Response,
    convolutions,
    distances,
    filters,
    near_duplicates,
    pictures,
    response,
    views,
)
from nets.inside.health import (
    LayerHealth,
    activation_layers,
    health,
    watching,
)
from nets.inside.montage import Palette, Scale, coloured, montage, overlay, picture, unit_range
from nets.inside.states import (
    LayerStates,
    gate_saturation,
    prefix_scores,
    recurrent_layers,
    states,
)
from nets.inside.verdict import Finding, verdict

__all__ = [
    "METHODS",
    "Excitation",
    "Finding",
    "LayerHealth",
    "LayerStates",
    "Maximised",
    "Palette",
    "Response",
    "Scale",
    "activation_layers",
    "attribute",
    "coloured",
    "convolutions",
    "distances",
    "feature_maps",
    "filters",
    "gate_saturation",
    "grad_cam",
    "health",
    "integrated_gradients",
    "layer_names",
    "maximise",
    "montage",
    "near_duplicates",
    "occlusion",
    "overlay",
    "picture",
    "pictures",
    "prefix_scores",
    "prepared",
    "private",
    "probabilities",
    "receptive_field",
    "recurrent_layers",
    "response",
    "scores",
    "states",
    "step_attribution",
    "top_activating",
    "unit_range",
    "verdict",
    "views",
    "watching",
]
