"""Nets of torchvision and timm by their names, where these are installed.

Experiment(net=Torchvision("resnet18"))
Experiment(net=Timm("vit_tiny_patch16_224", img_size=32))
"""

from __future__ import annotations

import importlib
import json
from typing import Any

from torch import Tensor, nn

from nets.config import unknown
from nets.custom import Custom
from nets.errors import ConfigError
from nets.spec import TensorSpec


def Torchvision(name: str, **arguments: Any) -> Custom:
    """A net of `torchvision.models` with new weights, as a configuration.

    Args:
        name: as `torchvision.models.list_models()` gives it.
        arguments: of the function that builds it: numbers, texts, truth values and lists.
    """
    made: Custom = Custom(torchvision_net, name=name, options=json.dumps(arguments))
    return made


def Timm(name: str, **arguments: Any) -> Custom:
    """A net of `timm` with new weights, as a configuration.

    Args:
        name: as `timm.list_models()` gives it.
        arguments: of `timm.create_model`.
    """
    made: Custom = Custom(timm_net, name=name, options=json.dumps(arguments))
    return made


def torchvision_net(
    spec: TensorSpec, num_outputs: int, *, name: str, options: str = "{}"
) -> nn.Module:
    """A net of torchvision for pictures of any number of channels.

    Args:
        name: As torchvision.models.list_models() gives it.
        options: Arguments of the function that builds it, as JSON.
    """
    models = _import("torchvision.models", name)
    names = models.list_models(module=models)
    if name not in names:
        raise ConfigError(unknown("net of torchvision", name, sorted(names)))
    net: nn.Module = models.get_model(name, weights=None, num_classes=num_outputs, **_read(options))
    return InColour(net, _channels(spec, name))


def timm_net(spec: TensorSpec, num_outputs: int, *, name: str, options: str = "{}") -> nn.Module:
    """A net of timm.

    Args:
        name: As timm.list_models() gives it.
        options: Arguments of timm.create_model, as JSON.
    """
    timm = _import("timm", name)
    names = timm.list_models()
    if name not in names:
        raise ConfigError(unknown("net of timm", name, sorted(names)))
    net: nn.Module = timm.create_model(
        name,
        pretrained=False,
        num_classes=num_outputs,
        in_chans=_channels(spec, name),
        **_read(options),
    )
    return net


class InColour(nn.Module):
    """A net of three channels for pictures of one: each channel gets it. (B, 1 or 3, H, W)."""

    def __init__(self, net: nn.Module, channels: int) -> None:
        super().__init__()
        if channels not in (1, 3):
            raise ConfigError(f"a net of torchvision takes 1 or 3 channels, got {channels}.")
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.net(x.expand(-1, 3, -1, -1))
        return out


def _channels(spec: TensorSpec, name: str) -> int:
    if spec.kind != "image":
        raise ConfigError(f"{name} is a net for pictures, got {spec.kind} rows.")
    return spec.shape[0]


def _read(options: str) -> dict[str, Any]:
    try:
        values = json.loads(options)
    except ValueError as error:
        raise ConfigError(f"net.options must be JSON, got {options!r}: {error}.") from None
    if not isinstance(values, dict):
        raise ConfigError(f'net.options must be a JSON object, as {{"a": 1}}, got {options!r}.')
    return values


def _import(module: str, name: str) -> Any:
    package = module.partition(".")[0]
    try:
        return importlib.import_module(module)
    except (ImportError, RuntimeError, OSError) as error:  # or it was built for another torch
        raise ConfigError(
            f"{name} is a net of {package}, which cannot be imported here: {error}. Install {package} for "
            "this version of torch on every node."
        ) from error
