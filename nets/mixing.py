"""Mixed rows: each training row with another one of its batch, and both labels by their shares.

Mixup (Zhang et al. 2018) adds two rows, cutmix (Yun et al. 2019) pastes a box of one picture into another.
One share is drawn for a batch, and its rows are mixed with those in reverse order: the order is random.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from nets.augment import AugmentConfig, to_whole
from nets.batches import Batch
from nets.errors import ConfigError
from nets.spec import TensorSpec
from nets.task import Task


class Mixing:
    """Mixes a batch by an `AugmentConfig`. Several workers mix rows of their own share.

    Raises:
        ConfigError: rows or a task that cannot be mixed.
    """

    def __init__(self, config: AugmentConfig, spec: TensorSpec, task: Task) -> None:
        check_mixing(config, spec, task)
        self._mixup, self._cutmix = config.mixup, config.cutmix

    def __bool__(self) -> bool:
        return self._mixup > 0 or self._cutmix > 0

    @torch.no_grad()
    def __call__(self, batch: Batch) -> tuple[Batch, float]:
        """The batch with mixed rows, and the share of each row's own label.

        The other label is that of `partners`.
        """
        cuts = self._cutmix > 0
        if cuts and self._mixup > 0:
            cuts = bool(torch.rand(()) < 0.5)
        alpha = self._cutmix if cuts else self._mixup
        share = float(torch.distributions.Beta(alpha, alpha).sample())
        if cuts:
            features, share = _paste(batch.features, share)
        else:
            features = _blend(batch.features, share)
        length = None
        if batch.length is not None:
            length = torch.maximum(batch.length, batch.length.flip(0))
        return batch._replace(features=features, length=length), share


def check_mixing(config: AugmentConfig, spec: TensorSpec, task: Task | None) -> None:
    """Refuse rows or a task that cannot be mixed.

    Args:
        task: None: not known yet.

    Raises:
        ConfigError: they cannot.
    """
    if not (config.mixup or config.cutmix):
        return
    if spec.kind == "tokens" or (config.cutmix and spec.kind != "image"):
        name = "cutmix" if config.cutmix else "mixup"
        kinds = "image" if config.cutmix else "image, series, sound and vector"
        raise ConfigError(
            f"augment.{name} works on {kinds} rows, got {spec.kind} rows. Set augment.{name} to 0."
        )
    if task is Task.RECONSTRUCTION:
        raise ConfigError(
            "augment.mixup and augment.cutmix mix labels, and an autoencoder has none. Set both to 0."
        )


def partners(batch: Batch) -> Batch:
    """The rows that the batch's rows are mixed with."""
    weight = None if batch.weight is None else batch.weight.flip(0)
    return batch._replace(label=batch.label.flip(0), weight=weight)


def _blend(features: Tensor, share: float) -> Tensor:
    mixed = torch.lerp(features.flip(0).float(), features.float(), share)
    return mixed.to(features.dtype) if features.is_floating_point() else to_whole(mixed, features)


def _paste(features: Tensor, share: float) -> tuple[Tensor, float]:
    """A box of `1 - share` of the picture's area, as far as it lies inside; and the share that is left."""
    height, width = features.shape[2:]
    ratio = math.sqrt(1 - share)
    top, bottom = _side(height, ratio)
    left, right = _side(width, ratio)
    pasted = features.clone()
    pasted[:, :, top:bottom, left:right] = features.flip(0)[:, :, top:bottom, left:right]
    return pasted, 1 - (bottom - top) * (right - left) / (height * width)


def _side(extent: int, ratio: float) -> tuple[int, int]:
    size = int(extent * ratio)
    centre = int(torch.randint(extent, ()))
    return max(0, centre - size // 2), min(extent, centre - size // 2 + size)
