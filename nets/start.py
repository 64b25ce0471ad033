"""Weights that a training starts from: those of another net, as far as names and shapes fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from nets.errors import ConfigError, ModelFileError
from nets.files import WEIGHTS
from nets.net import Net

_PREFIXES = ("", "body.", "body.net.")
"""What the names of a file may lack: a file of another library knows only the net itself."""
_FITTED = ("prepare.", "restore.")
"""Parts of a net that are fitted on its own data."""


@dataclass(frozen=True, kw_only=True)
class Start:
    """What was taken of the weights that a training starts from."""

    taken: tuple[str, ...]
    """Names in the net."""
    other_shape: tuple[str, ...]
    """In both, with another shape, as `body.output.weight (10, 64), not (5, 64)`."""
    new: tuple[str, ...]
    """Only in the net."""
    unused: tuple[str, ...]
    """Only in the file."""

    def describe(self, where: str) -> str:
        """A sentence for a person.

        Args:
            where: what they started from.
        """
        total = len(self.taken) + len(self.other_shape) + len(self.new)
        text = f"Started from {where}: {len(self.taken)} of {total} tensors are taken."
        for what, names in (
            ("Another shape, so new", self.other_shape),
            ("Not there, so new", self.new),
            ("Not in this net", self.unused),
        ):
            if names:
                more = f" and {len(names) - 8} more" if len(names) > 8 else ""
                text += f" {what}: {', '.join(names[:8])}{more}."
        return text


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, or of the folder of a saved net.

    Raises:
        ModelFileError: there is none, or it is damaged.
    """
    file = path / WEIGHTS if path.is_dir() else path
    try:
        return load_file(file)
    except (OSError, SafetensorError) as error:
        raise ModelFileError(
            f"{file} is no file of weights (safetensors) that can be read: {error}."
        ) from error


@torch.no_grad()
def take_weights(net: Net, weights: Mapping[str, Tensor]) -> Start:
    """Copy the weights whose names and shapes fit into `net`.

    What is fitted on the data, the first and the last layer, stays as it is.

    Raises:
        ConfigError: none of them fits.
    """
    own = {n: value for n, value in net.state_dict().items() if not n.startswith(_FITTED)}
    given = {n: value for n, value in weights.items() if not n.startswith(_FITTED)}
    prefix = max(_PREFIXES, key=lambda p: sum(f"{p}{name}" in own for name in given))
    named = {f"{prefix}{name}": value for name, value in given.items()}
    taken, other_shape = [], []
    for name, value in own.items():
        if name not in named:
            continue
        if value.shape == named[name].shape:
            value.copy_(named[name])
            taken.append(name)
        else:
            shapes = tuple(value.shape), tuple(named[name].shape)
            other_shape.append(f"{name} {shapes[0]}, not {shapes[1]}")
    if not any(own[name].is_floating_point() for name in taken):
        raise ConfigError(
            f"training.start_from: no tensor fits this net in name and shape. The net has "
            f"{', '.join(list(own)[:5])}, ...; the file has {', '.join(list(given)[:5])}, ..."
        )
    return Start(
        taken=tuple(taken),
        other_shape=tuple(other_shape),
        new=tuple(name for name in own if name not in named),
        unused=tuple(name.removeprefix(prefix) for name in named if name not in own),
    )
