"""What a recurrent net remembers: hidden and cell states, gates, the prediction as it reads.

`nn.LSTM` and `nn.GRU` do not return their gates, so they are computed again here from the weights,
step by step, by the equations in PyTorch's documentation (LSTM: Hochreiter & Schmidhuber 1997; GRU:
Cho et al. 2014), and checked against the module's own output in the tests.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

from nets.errors import ConfigError
from nets.inside._capture import copy_modules, run

Array = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class LayerStates:
    """One direction of one recurrent layer on one sequence. Every array is (steps, width).

    Row t belongs to input step t; a backward layer has read the steps t and later by then.
    """

    name: str
    cell_type: str
    """rnn, lstm or gru."""
    backward: bool
    hidden: Array
    cell: Array | None
    """lstm only."""
    gates: dict[str, Array]
    """lstm: input, forget, output, candidate; gru: reset, update, candidate; rnn: none."""


def recurrent_layers(net: nn.Module) -> list[str]:
    """Names of the recurrent modules."""
    return [name for name, module in net.named_modules() if isinstance(module, nn.RNNBase)]


def states(net: nn.Module, features: Tensor, length: int | None = None) -> list[LayerStates]:
    """Every recurrent layer's states over one sequence (1, steps, ...), in the order they run.

    Only the real steps: at most `length`.

    Raises:
        ConfigError: the net has no recurrent layer.
    """
    twin = copy_modules(net)
    names = recurrent_layers(twin)
    if not names:
        raise ConfigError("This net has no recurrent layer, so it has no states over time.")
    modules = dict(twin.named_modules())
    layers: list[LayerStates] = []

    def hook(name: str) -> Any:
        def see(module: nn.Module, inputs: tuple[Any, ...], _output: Any) -> None:
            assert isinstance(module, nn.RNNBase)
            layers.extend(_replay(name, module, _real_steps(inputs[0], module, length)))

        return see

    handles = [modules[name].register_forward_hook(hook(name)) for name in names]
    with torch.inference_mode():
        run(twin, features[:1], None if length is None else torch.tensor([length]))
    for handle in handles:
        handle.remove()
    return layers


def _real_steps(x: Any, module: nn.RNNBase, length: int | None) -> Tensor:
    """The real steps (steps, width) of the only sequence in a batch."""
    if isinstance(x, PackedSequence):
        batch, lengths = pad_packed_sequence(x, batch_first=True)
        steps: Tensor = batch[0, : int(lengths[0])]
        return steps
    tensor: Tensor = x
    sequence = tensor[0] if module.batch_first else tensor[:, 0]
    return sequence if length is None else sequence[:length]


def _replay(name: str, module: nn.RNNBase, x: Tensor) -> list[LayerStates]:
    layers = []
    both = 2 if module.bidirectional else 1
    for layer in range(module.num_layers):
        outputs = []
        for backward in range(both):
            suffix = f"_l{layer}" + ("_reverse" if backward else "")
            weights = _weights(module, suffix)
            hidden, cell, gates = _unroll(module, weights, x.flip(0) if backward else x)
            series = [hidden, cell, *gates.values()]
            turned = [s if s is None or not backward else s.flip(0) for s in series]
            outputs.append(turned[0])
            arrays = [None if s is None else s.float().cpu().numpy() for s in turned]
            layers.append(
                LayerStates(
                    name=f"{name}[{layer}]" if module.num_layers > 1 else name,
                    cell_type=type(module).__name__.lower(),
                    backward=bool(backward),
                    hidden=arrays[0],  # type: ignore[arg-type]
                    cell=arrays[1],
                    gates=dict(zip(gates, arrays[2:], strict=True)),  # type: ignore[arg-type]
                )
            )
        x = torch.cat([o for o in outputs if o is not None], dim=1)
    return layers


def _weights(module: nn.RNNBase, suffix: str) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    if getattr(module, "proj_size", 0):
        raise ConfigError("States of an LSTM with a projection (proj_size > 0) are not replayed.")
    w_x, w_h = (getattr(module, f"weight_{kind}{suffix}") for kind in ("ih", "hh"))
    if not module.bias:
        zero = w_x.new_zeros(len(w_x))
        return w_x, w_h, zero, zero
    return w_x, w_h, getattr(module, f"bias_ih{suffix}"), getattr(module, f"bias_hh{suffix}")


def _unroll(
    module: nn.RNNBase, weights: tuple[Tensor, Tensor, Tensor, Tensor], x: Tensor
) -> tuple[Tensor, Tensor | None, dict[str, Tensor]]:
    w_x, w_h, b_x, b_h = weights
    from_input = x @ w_x.T + b_x  # (steps, gates * width): all steps at once
    h = x.new_zeros(module.hidden_size)
    c = torch.zeros_like(h)
    rows: list[dict[str, Tensor]] = []
    for step in from_input:
        from_state = w_h @ h + b_h
        if isinstance(module, nn.LSTM):
            i, f, g, o = (step + from_state).chunk(4)
            i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
            c = f * c + i * g
            h = o * c.tanh()
            rows.append({"h": h, "c": c, "input": i, "forget": f, "output": o, "candidate": g})
        elif isinstance(module, nn.GRU):
            (r_x, z_x, n_x), (r_h, z_h, n_h) = step.chunk(3), from_state.chunk(3)
            r, z = (r_x + r_h).sigmoid(), (z_x + z_h).sigmoid()
            n = (n_x + r * n_h).tanh()
            h = (1 - z) * n + z * h
            rows.append({"h": h, "reset": r, "update": z, "candidate": n})
        else:
            total = step + from_state
            h = total.relu() if getattr(module, "nonlinearity", "tanh") == "relu" else total.tanh()
            rows.append({"h": h})
    series = {key: torch.stack([row[key] for row in rows]) for key in rows[0]}
    hidden, cell = series.pop("h"), series.pop("c", None)
    return hidden, cell, series


def prefix_scores(net: nn.Module, features: Tensor, length: int | None = None) -> Array:
    """The net's scores after reading only the first 1, 2, ... steps: (steps, num_outputs)."""
    size = int(features.shape[1]) if length is None else length
    with torch.inference_mode():
        lengths = torch.arange(1, size + 1)
        batch = features[:1].expand(size, *features.shape[1:])
        result: Array = run(copy_modules(net), batch, lengths).float().cpu().numpy()
    return result


def gate_saturation(gate: Array, low: float = 0.1, high: float = 0.9) -> tuple[Array, Array]:
    """Share of steps at which each unit's gate is nearly closed and nearly open: two (width,).

    Bounds of Karpathy, Johnson & Fei-Fei (2015), figure 3.
    """
    closed, opened = (gate < low).mean(axis=0), (gate > high).mean(axis=0)
    return closed.astype(np.float32), opened.astype(np.float32)
