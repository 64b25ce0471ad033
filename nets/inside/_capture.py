"""See what every layer of a net puts out, without touching the net that others share.

A forward hook on a shared module fires for every caller. So each look uses a private copy of the
module tree that shares the tensors: fresh hooks and a fresh train/eval flag, no copied weights.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

from nets.config import unknown
from nets.errors import ConfigError

M = TypeVar("M", bound=nn.Module)

_SILENT = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Identity, nn.Flatten)


def copy_modules(net: M) -> M:
    """A copy of the module tree in eval mode that shares every parameter and buffer with `net`."""
    shared: list[Tensor] = [*net.parameters(), *net.buffers()]
    twin = copy.deepcopy(net, {id(tensor): tensor for tensor in shared})
    return twin.eval()


def layer_names(net: nn.Module) -> list[str]:
    """Names of the layers with an output worth seeing, in the order of the module tree.

    Leaves of the tree, without those that do nothing in eval mode (dropout, identity, flatten).
    """
    return [
        name
        for name, module in net.named_modules()
        if name and not isinstance(module, _SILENT) and not any(True for _ in module.children())
    ]


def find(net: nn.Module, layer: str) -> nn.Module:
    """The module called `layer`.

    Raises:
        ConfigError: there is none; the nearest names are suggested.
    """
    modules = dict(net.named_modules())
    if not layer or layer not in modules:
        raise ConfigError(unknown("layer", layer, layer_names(net)))
    module: nn.Module = modules[layer]
    return module


@contextmanager
def observe(
    net: nn.Module, layers: Iterable[str], see: Callable[[str, Any], None]
) -> Iterator[None]:
    """Call `see(name, output)` whenever a layer of `net` runs; a layer run again is `name#2`, ...

    `net` must be a copy (`copy_modules`), or used by the caller alone. Clone an output to keep it: an
    in-place activation that follows overwrites it.
    """
    calls: dict[str, int] = {}

    def hook(name: str) -> Callable[..., None]:
        def run(_module: nn.Module, _inputs: Any, output: Any) -> None:
            calls[name] = calls.get(name, 0) + 1
            see(name if calls[name] == 1 else f"{name}#{calls[name]}", output)

        return run

    handles = [find(net, name).register_forward_hook(hook(name)) for name in layers]
    handles.append(net.register_forward_pre_hook(lambda *_: calls.clear()))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def pad_output(output: Any) -> Tensor | None:
    """The tensor in a layer's output (its padded sequence, if recurrent); None without one."""
    if isinstance(output, PackedSequence):
        return pad_packed_sequence(output, batch_first=True)[0]
    if isinstance(output, tuple) and output:
        return pad_output(output[0])
    return output if isinstance(output, Tensor) else None


def run(net: nn.Module, features: Tensor, length: Tensor | None = None) -> Tensor:
    """`net(features)`, with the lengths where there are any."""
    scores: Tensor = net(features) if length is None else net(features, length)
    return scores


def outputs(
    net: nn.Module,
    features: Tensor,
    length: Tensor | None = None,
    layers: Iterable[str] | None = None,
) -> dict[str, Tensor]:
    """Cloned outputs of `layers` (default: all of `layer_names`), in the order they ran."""
    twin, seen = copy_modules(net), {}

    def see(name: str, output: Any) -> None:
        tensor = pad_output(output)
        if tensor is not None:
            seen[name] = tensor.detach().clone()

    names = layer_names(twin) if layers is None else list(layers)
    with torch.inference_mode(), observe(twin, names, see):
        run(twin, features, length)
    return seen
