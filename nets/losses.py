"""Loss functions: cross-entropy, focal loss, squared error or a person's own, with weights."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from nets.batches import Share
from nets.custom import Custom
from nets.custom_loss import CustomLoss
from nets.errors import ConfigError
from nets.training import TrainingConfig
from nets.workers import add_up, world_size


def balanced_weights(class_counts: Sequence[int]) -> Tensor:
    """(classes,) float32: rows / (classes * rows of the class); 0 for a class without rows.

    The heuristic of King and Zeng (2001), as scikit-learn's `class_weight="balanced"`.
    """
    counts = torch.as_tensor(class_counts, dtype=torch.float64)
    weights = counts.sum() / (len(counts) * counts.clamp(min=1))
    return torch.where(counts > 0, weights, 0.0).float()


class Loss:
    """The loss of a batch: the mean over its rows, weighted by class and by row.

    Args:
        class_counts: rows of each class in the training split, for `class_weights`.

    Raises:
        ConfigError: class weights without class counts; an own loss that does not fit.
    """

    def __init__(
        self,
        config: TrainingConfig,
        class_counts: Sequence[int] | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        self.name = config.loss_name
        self.own = CustomLoss(config.loss, device) if isinstance(config.loss, Custom) else None
        self.smoothing = config.label_smoothing
        self.gamma = config.focal_gamma
        self.class_weights: Tensor | None = None
        if config.class_weights != "none":
            if class_counts is None:
                raise ConfigError(
                    f"class_weights {config.class_weights!r} needs the rows of each class, got none. "
                    "Pass class_counts, or set class_weights to none."
                )
            weights = balanced_weights(class_counts).to(device)
            self.class_weights = (
                weights.sqrt() if config.class_weights == "square_root" else weights
            )

    def __call__(self, scores: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        """The weighted mean over the batch, (): the sum of w * loss over the sum of w.

        Args: as `per_row`; weight: (B,) or None.
        """
        if weight is None and self.class_weights is None and self.name == "cross_entropy":
            self._check(scores, target)  # the common case, in one fused operation
            return F.cross_entropy(scores, target, label_smoothing=self.smoothing)
        losses = self.per_row(scores, target)
        weights = self.row_weights(target, weight)
        if weights is None:
            return losses.mean()
        # all weights may be 0 in one batch: its loss is 0 then, not 0 / 0
        return (losses * weights).sum() / weights.sum().clamp(min=torch.finfo(weights.dtype).tiny)

    def of_batch(
        self, scores: Tensor, target: Tensor, weight: Tensor | None, share: Share | None
    ) -> Tensor:
        """The loss of the whole batch, (), as far as it comes from this worker's rows.

        With several workers it is `world_size` times their part of it, because the wrapper takes the
        mean of the workers' gradients: that mean is the gradient of the batch, whatever the shares.
        """
        if share is None:
            return self(scores, target, weight)
        losses = self.per_row(scores, target)
        weights = self.row_weights(target, weight)
        weights = torch.ones_like(losses) if weights is None else weights
        weights = weights * float(share.counts)
        total = add_up(weights.sum()).clamp(min=torch.finfo(weights.dtype).tiny)
        return (losses * weights).sum() * (world_size() / total)

    def weight_of_batch(
        self, target: Tensor, weight: Tensor | None, share: Share | None
    ) -> Tensor | float:
        """What the rows of the whole batch weigh together, over all workers; their number where all
        count the same."""
        weights = self.row_weights(target, weight)
        if weights is None:
            return float(len(target) if share is None else share.of)
        if share is None:
            return weights.sum()
        return add_up((weights * float(share.counts)).sum())

    def per_row(self, scores: Tensor, target: Tensor) -> Tensor:
        """The loss of each row, (B,), before any weight.

        Focal loss is (1 - p)^gamma * -log(p), p the probability of the right class (Lin et al.
        2017, equation 4); squared error is the mean over the row's outputs. Of an own loss see
        `nets.custom_loss`.

        Args:
            scores: (B, classes) logits, or values of any shape (B, ...).
            target: (B,) int64, or values that are as many as the scores.
        """
        if self.own is not None:
            return self.own(scores, target)
        self._check(scores, target)
        if self.name == "mse":
            values = target.to(scores.dtype).reshape(len(target), -1)
            return (scores.reshape(len(scores), -1) - values).square().mean(1)
        losses = F.cross_entropy(scores, target, reduction="none", label_smoothing=self.smoothing)
        if self.name == "focal":
            # expm1: exact where p is close to 1; clamp: a gamma below 1 has no slope at 0
            return (-torch.expm1(-losses)).clamp(min=1e-12).pow(self.gamma) * losses
        return losses

    def row_weights(self, target: Tensor, weight: Tensor | None) -> Tensor | None:
        """(B,) class weight times row weight, or None when every row counts the same."""
        if self.class_weights is None:
            return weight
        by_class = self.class_weights[target]
        return by_class if weight is None else by_class * weight

    def _check(self, scores: Tensor, target: Tensor) -> None:
        if self.name == "mse":
            if scores.numel() != target.numel():
                raise ConfigError(
                    f"loss 'mse' compares each output with a value: got {tuple(scores.shape)} "
                    f"outputs for labels of shape {tuple(target.shape)}. For classes, set loss to "
                    "cross_entropy or focal."
                )
        elif target.is_floating_point() or target.ndim != 1:
            raise ConfigError(
                f"loss {self.name!r} needs one class index per row (integers), got labels of type "
                f"{target.dtype} and shape {tuple(target.shape)}. For measured values, set loss to "
                "mse."
            )
