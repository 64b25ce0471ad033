"""What is different from layer to layer in a training: the learning rate, and since when it learns."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Mapping
from typing import TypeVar

from torch import nn

from nets.config import unknown
from nets.errors import ConfigError
from nets.training import TrainingConfig

V = TypeVar("V")


class LayerRules:
    """`config.freeze` and `config.layer_rates` on the parameters of a net.

    A pattern is the name of a layer (`body.blocks.0`, with all that is below it), or has `*` for any
    text (`*.bias`). Of several patterns that fit, the last one counts.

    Raises:
        ConfigError: a pattern fits no parameter, a rate is of layers that never learn, or no parameter
            learns in the first epoch.
    """

    def __init__(self, net: nn.Module, config: TrainingConfig) -> None:
        self._net = net
        names = [name for name, _ in net.named_parameters()]
        frozen = _match(names, config.freeze, "training.freeze")
        factors = _match(names, config.layer_rates, "training.layer_rates")
        parameters = dict(net.named_parameters())
        self._epochs = {id(parameters[name]): epochs for name, epochs in frozen.items()}
        self._factors = {id(parameters[name]): factor for name, factor in factors.items()}
        for pattern in config.layer_rates:
            fitting = [name for name in names if _fits(name, pattern)]
            if all(frozen.get(name, 0) is None for name in fitting):
                raise ConfigError(
                    f"training.layer_rates {pattern!r} would change nothing: training.freeze keeps these "
                    "layers as they are. Leave one of them out."
                )
        if names and not any(self.learns(p, 0) for p in parameters.values()):
            raise ConfigError(
                f"training.freeze {dict(config.freeze)} leaves no parameter to train in the first epoch. "
                "Leave out a pattern, or name fewer layers."
            )

    def factor(self, parameter: nn.Parameter) -> float:
        """What the learning rate is multiplied by."""
        return self._factors.get(id(parameter), 1.0)

    def learns(self, parameter: nn.Parameter, epoch: int) -> bool:
        """Whether it changes in an epoch, from 0."""
        epochs = self._epochs.get(id(parameter), 0)
        return epochs is not None and epoch >= epochs

    def freeze_for_good(self) -> None:
        """Compute no gradient of what never learns. Before the net is wrapped."""
        for parameter in self._net.parameters():
            if self._epochs.get(id(parameter), 0) is None:
                parameter.requires_grad_(False)

    def hold_statistics(self, epoch: int) -> None:
        """Put layers that do not learn yet, such as a batch norm, into the state of an evaluation."""
        for module in self.find_held(epoch):
            module.eval()

    def find_held(self, epoch: int) -> list[nn.Module]:
        """The layers that do not learn in an epoch, from 0."""
        if not self._epochs:
            return []
        owners = [
            (module, list(module.parameters(recurse=False))) for module in self._net.modules()
        ]
        return [m for m, own in owners if own and not any(self.learns(p, epoch) for p in own)]

    def drop_gradients(self, epoch: int) -> None:
        """Forget the gradients of what does not learn yet: an optimizer leaves such parameters alone."""
        if not self._epochs:
            return
        for parameter in self._net.parameters():
            if not self.learns(parameter, epoch):
                parameter.grad = None


def _match(names: list[str], rules: Mapping[str, V], where: str) -> dict[str, V]:
    found: dict[str, V] = {}
    for pattern, value in rules.items():
        fitting = [name for name in names if _fits(name, pattern)]
        if not fitting:
            known = sorted(set(_layers(names)))
            raise ConfigError(f"{where}: {unknown('layer', pattern, known)}")
        found |= dict.fromkeys(fitting, value)
    return found


def _fits(name: str, pattern: str) -> bool:
    return fnmatch.fnmatchcase(name, pattern) or name.startswith(f"{pattern}.")


def _layers(names: list[str]) -> Iterator[str]:
    for name in names:
        yield name.rpartition(".")[0] or name
