"""Which steps or patches each other step looks at: the weights of `nn.MultiheadAttention`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nets.inside._capture import copy_modules, run

Array = NDArray[np.float32]


def attention_layers(net: nn.Module) -> list[str]:
    """Names of the attention modules."""
    return [n for n, module in net.named_modules() if isinstance(module, nn.MultiheadAttention)]


def attention_maps(
    net: nn.Module, features: Tensor, length: Tensor | None = None
) -> dict[str, Array]:
    """The attention of raw samples (B, *shape), in the order the layers run.

    Each is (B, heads, queries, keys), and the keys of a query add up to 1. A layer that runs several
    times is listed as `name`, `name#2`, ... Only `nn.MultiheadAttention` has its weights at hand: a net
    that calls `scaled_dot_product_attention` itself has none here.
    """
    twin = copy_modules(net)
    maps: dict[str, Array] = {}
    for name, module in twin.named_modules():
        if isinstance(module, nn.MultiheadAttention):
            module.forward = _watched(module.forward, name, maps)  # type: ignore[method-assign]
    with torch.inference_mode(), _slow_path():
        run(twin, features, length)
    return maps


def _watched(forward: Callable[..., Any], name: str, maps: dict[str, Array]) -> Callable[..., Any]:
    """The same, but it computes the weights of each head, and keeps them."""
    calls = 0

    def watched(query: Tensor, key: Tensor, value: Tensor, **arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        asked = arguments.get("need_weights", True), arguments.get("average_attn_weights", True)
        arguments |= {"need_weights": True, "average_attn_weights": False}
        out, weights = forward(query, key, value, **arguments)
        weights = weights if weights.ndim == 4 else weights[None]
        maps[name if calls == 1 else f"{name}#{calls}"] = weights.float().cpu().numpy()
        if not asked[0]:
            return out, None
        return out, weights.mean(1) if asked[1] else weights

    return watched


@contextmanager
def _slow_path() -> Iterator[None]:
    """Transformer layers call their modules, not one operation that does it all."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)
