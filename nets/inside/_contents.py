"""What there is to look at in a net, by the types of its modules."""

from __future__ import annotations

from nets.inside._attention import attention_layers
from nets.inside._filters import convolutions
from nets.inside._names import OF_PICTURES, OF_SEQUENCES
from nets.inside._states import recurrent_layers
from nets.net import Net


def contents(net: Net) -> tuple[str, ...]:
    """Which of `OF_PICTURES` and `OF_SEQUENCES` a net has."""
    attention = OF_PICTURES[1] if net.spec.kind == "image" else OF_SEQUENCES[1]
    layers = {
        OF_PICTURES[0]: convolutions(net),
        OF_SEQUENCES[0]: recurrent_layers(net),
        attention: attention_layers(net),
    }
    return tuple(name for name, names in layers.items() if names)
