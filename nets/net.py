"""From a configuration and a sample's shape to a net."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import torch
from pydantic import Field, TypeAdapter
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from nets.autoencoder import Autoencoder, AutoencoderConfig
from nets.cnn import CNN, CNNConfig
from nets.custom import Custom
from nets.custom_field import CHECKED, DUMPED
from nets.custom_net import check_preparation, coder_of, make_custom
from nets.errors import ConfigError
from nets.prepare import PreparationConfig, Prepare, make
from nets.resnet import ResNet, ResNetConfig
from nets.restore import Restore
from nets.rnn import RNN, RNNConfig
from nets.sequence_cnn import SequenceCNN, SequenceCNNConfig
from nets.spec import TensorSpec
from nets.text import TextEncoding
from nets.wide import read_own_history

_Shipped = CNNConfig | ResNetConfig | RNNConfig | SequenceCNNConfig | AutoencoderConfig
if TYPE_CHECKING:
    NetConfig = _Shipped | Custom
else:
    NetConfig = Annotated[Annotated[_Shipped, Field(discriminator="kind")], CHECKED, DUMPED]

DEFAULT_NET: NetConfig = CNNConfig()
"""The net of an experiment that names none."""

_BODIES: dict[type, type[nn.Module]] = {
    CNNConfig: CNN,
    ResNetConfig: ResNet,
    RNNConfig: RNN,
    SequenceCNNConfig: SequenceCNN,
    AutoencoderConfig: Autoencoder,
}


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One layer as it runs on a single sample."""

    name: str
    """Dotted path in the net."""
    type: str
    """Class of the module."""
    output_shape: tuple[int, ...]
    """Without the batch dimension."""
    num_parameters: int
    flops: int
    """Floating-point operations of the forward pass: a multiply-add counts as 2."""


class Net(nn.Module):
    """Raw encoded samples in, logits or values out: what was fitted on the data, then the body.

    (B, *spec.shape) in spec.dtype, optional lengths (B,) -> (B, num_outputs) float32; of a net that
    reconstructs (B, *shape of the prepared sample).
    """

    def __init__(
        self,
        config: NetConfig,
        spec: TensorSpec,
        num_outputs: int,
        prepare: Prepare,
        body: nn.Module,
        restore: Restore | None = None,
    ) -> None:
        super().__init__()
        self.config, self.spec, self.num_outputs = config, spec, num_outputs
        self.labels: tuple[str, ...] | None = None
        """Class names by index, where a saved net has them."""
        self.text: TextEncoding | None = None
        """How raw text becomes the net's input, where a saved net reads text."""
        self.lengths: bool | None = None
        """Of series: whether rows it learned may be shorter than the spec says; None: not known."""
        self.prepare, self.body, self.restore = prepare, body, restore

    def forward(self, features: Tensor, length: Tensor | None = None) -> Tensor:
        out: Tensor = self.body(self.prepare(features, length), length)
        return out if self.restore is None else self.restore(out, features, length)

    @property
    def has_code(self) -> bool:
        """Whether it reconstructs from a code, which `encode` of its body gives."""
        return self.config.reconstructs and coder_of(self.body) is not None

    def reconstruct(
        self, features: Tensor, length: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Of a net that reconstructs: prepared samples (B, *shape), what it makes of them, and their codes
        (B, size), None where it has no code."""
        prepared = self.prepare(features, length)
        coder = coder_of(self.body)
        if coder is None:
            return prepared, self.body(prepared, length), None
        code = coder.encode(prepared)
        return prepared, coder.decode(code), code

    def channels_last(self) -> None:
        """Keep the weights of a net for pictures pixel by pixel; its feature maps follow."""
        if self.spec.kind == "image":
            self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def layers(self) -> list[Layer]:
        """Every layer with parameters or a computation of its own, in the order they run.

        A layer that runs several times is listed as `name`, `name#2`, ...; its parameters count once.
        """
        seen: list[tuple[str, nn.Module, tuple[int, ...]]] = []
        calls: dict[nn.Module, int] = {}
        names = {module: name for name, module in self.named_modules()}

        def note(module: nn.Module, inputs: object, output: object) -> None:
            while isinstance(output, tuple):
                output = output[0]
            if isinstance(output, Tensor):
                calls[module] = calls.get(module, 0) + 1
                seen.append((names[module], module, tuple(output.shape[1:])))

        leaves = [m for m in self.modules() if not any(True for _ in m.children())]
        hooks = [m.register_forward_hook(note) for m in leaves if not isinstance(m, nn.Identity)]
        was_training = self.training
        try:
            self.eval()
            with torch.no_grad(), FlopCounterMode(display=False) as counter:
                self(self.example())
        finally:
            self.train(was_training)
            for hook in hooks:
                hook.remove()
        counts = counter.get_flop_counts()
        layers: list[Layer] = []
        for name, module, shape in seen:
            runs = sum(layer.name.partition("#")[0] == name for layer in layers) + 1
            layers.append(
                Layer(
                    name=name if runs == 1 else f"{name}#{runs}",
                    type=type(module).__name__,
                    output_shape=shape,
                    num_parameters=sum(p.numel() for p in module.parameters()) if runs == 1 else 0,
                    flops=sum(counts.get(f"Net.{name}", {}).values()) // calls[module],
                )
            )
        return layers

    def example(self, batch: int = 1) -> Tensor:
        """A batch of zeros of the net's input, on its device."""
        device = next(self.parameters()).device
        return torch.zeros(
            batch, *self.spec.shape, dtype=getattr(torch, self.spec.dtype), device=device
        )


def build(
    net: NetConfig,
    spec: TensorSpec,
    num_outputs: int,
    *,
    prepare: Prepare | None = None,
    restore: Restore | None = None,
    seed: int = 0,
) -> Net:
    """A net with new random weights: the same for the same seed. The global seed is left alone.

    Args:
        num_outputs: classes, or values of a regression; a net that reconstructs does not use it.
        prepare: the first layer; None: samples as they are.
        restore: the last layer of a regression; None: values as the body gives them.

    Raises:
        ConfigError: the net does not fit the sample's shape, and the layer is named; it is made for
            another preparation.
    """
    if num_outputs < 1:
        raise ConfigError(f"a net needs num_outputs >= 1, got {num_outputs}.")
    if prepare is not None and isinstance(net, Custom):
        check_preparation(net, prepare.method)
    prepare = prepare or make(PreparationConfig(method="none"), spec)
    prepare.sound_as = _sound_as(net)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        body = (
            make_custom(net, prepare, num_outputs)
            if isinstance(net, Custom)
            else _BODIES[type(net)](net, prepare.output, num_outputs)
        )
        if restore is not None and restore.channel is not None:
            read_own_history(body, prepare.output, restore.channel)
    return Net(net, spec, num_outputs, prepare, body, restore)


def read_config(record: Mapping[str, Any]) -> NetConfig:
    """The configuration of a net from its record.

    Raises:
        pydantic.ValidationError: it is none.
    """
    config: NetConfig = TypeAdapter(NetConfig).validate_python(record)
    return config


def _sound_as(net: NetConfig) -> Literal["image", "series"]:
    """What a net takes sounds as, by `sound_as` of its configuration or of an own net's class."""
    owner = net.part if isinstance(net, Custom) else net
    wanted = getattr(owner, "sound_as", "image")
    if wanted == "series":
        return "series"
    if wanted == "image":
        return "image"
    name = getattr(owner, "__name__", owner)
    raise ConfigError(f"sound_as of {name} must be 'image' or 'series', got {wanted!r}.")
