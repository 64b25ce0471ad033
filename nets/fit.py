"""The training loop: one epoch, one evaluation, on one device; wrapped from outside for several.

fit = Fit(net, config, steps_per_epoch=num_batches(len(train.label), config.batch_size))
while fit.epoch < config.epochs:
    rows = batches(train, config.batch_size, seed=config.seed, epoch=fit.epoch)
    metrics = fit.train_epoch(rows)
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from nets.augment import Augment, AugmentConfig
from nets.batches import Batch, batches, mix_seed, num_batches
from nets.errors import ConfigError, DivergedError
from nets.evaluation import Evaluation
from nets.losses import Loss
from nets.monitor import Monitor
from nets.net import Net
from nets.optimizers import learning_rate, make_optimizer
from nets.task import Task
from nets.torch_private import make_step
from nets.training import TrainingConfig
from nets.update import LayerUpdates

__all__ = [
    "AugmentConfig",
    "Batch",
    "Evaluation",
    "Fit",
    "Monitor",
    "TrainingConfig",
    "batches",
    "num_batches",
    "place",
]

_CHECK_EVERY = 64
"""Steps between checks of the loss: each check makes the host wait for the device."""
_NORM_EVERY = 8
"""Steps between samples of the gradient's norm, when it isn't computed anyway for clipping."""


def place(net: Net, config: TrainingConfig, device: torch.device | str | None = None) -> Net:
    """`net`, moved to its device (None: stay) and memory layout, in place.

    For distributed training, call it before wrapping the net: a wrapper remembers the layout.
    """
    if device is not None:
        net.to(device)
    if config.channels_last:
        net.channels_last()
    return net


def autocast_dtype(config: TrainingConfig, device: torch.device) -> torch.dtype | None:
    """The type the forward pass is computed in, None for float32.

    auto stays with float32 on CPUs: on one with AVX-512 BF16, bfloat16 trained a residual net 1.9
    times as fast but small nets 0.8 to 0.9 times, and where it has to be emulated it only costs.
    """
    if config.precision == "bfloat16":
        return torch.bfloat16
    on_gpu = config.precision == "auto" and device.type == "cuda"
    if on_gpu and torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.bfloat16
    return None


class Fit:
    """A net in training: the net, its optimizer, and how far the run has come.

    Everything random in an epoch is drawn from (seed, epoch, rank), so a run that resumes after an
    epoch gives what an uninterrupted one would have given.

    Args:
        net: trained in place.
        steps_per_epoch: batches in an epoch, for the schedule.
        class_counts: rows of each class in the training split, for `class_weights="balanced"`.
        device: where to train; None: where the net is.
        model: what is called in training, such as a distributed wrapper of `net`; None: `net`.

    Raises:
        ConfigError: settings that don't fit the net or its input.
    """

    def __init__(
        self,
        net: Net,
        config: TrainingConfig,
        *,
        steps_per_epoch: int,
        class_counts: Sequence[int] | None = None,
        device: torch.device | str | None = None,
        model: nn.Module | None = None,
    ) -> None:
        if steps_per_epoch < 1:
            raise ConfigError(f"an epoch needs at least 1 batch, got {steps_per_epoch}.")
        self.net = place(net, config, device)
        self.config = config
        self.steps_per_epoch = steps_per_epoch
        self.device = next(net.parameters()).device
        self.task = _task(net, config)
        self.loss = Loss(config, class_counts, self.device)
        self.augment = Augment(config.augment, net.spec)
        self.optimizer = make_optimizer(net.parameters(), config)
        self._optimize = make_step(self.optimizer)
        self.epoch = 0
        """Epochs completed."""
        self.model = net if model is None else model
        self._forward = torch.compile(self.model) if config.compile else self.model
        self._trained = [p for p in net.parameters() if p.requires_grad]
        self._autocast_dtype = autocast_dtype(config, self.device)
        self._channels_last = config.channels_last and net.spec.kind == "image"

    def train_epoch(self, batches: Iterable[Batch]) -> dict[str, float]:
        """Train on every batch once.

        Returns:
            train/loss and, for classes, train/accuracy: means over the rows as they were seen, so
            augmented and with dropout; learning_rate of the last step; gradient_norm, before
            clipping, a mean over a sample of the steps; samples_per_s; with `config.health`,
            health/<layer>/gradient_norm (of the last step), weight_norm, update_ratio.

        Raises:
            DivergedError: the loss is NaN or infinite.
            ConfigError: no batches, or labels that don't fit the loss.
        """
        started = time.perf_counter()
        totals = _Totals(self)
        updates = LayerUpdates(self.net) if self.config.health else None
        first_step = self.epoch * self.steps_per_epoch
        num_steps = self.config.epochs * self.steps_per_epoch
        self.net.train()
        self.model.train()
        with _fork_seed(self.config.seed, self.epoch, self.device):
            for step, batch in enumerate(batches):
                rate = learning_rate(self.config, first_step + step, num_steps)
                for group in self.optimizer.param_groups:
                    group["lr"] = rate
                loss, scores, labels, norm = self._step(self._to_device(batch), step)
                totals.add(rate, loss, scores, labels, norm)
        if totals.steps == 0:
            raise ConfigError("an epoch needs at least 1 batch, got none. Is the split empty?")
        metrics = totals.metrics()
        metrics["samples_per_s"] = totals.rows / (time.perf_counter() - started)
        self.epoch += 1
        return metrics | (updates.measure() if updates is not None else {})

    def _step(self, batch: Batch, step: int) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        features, label, length, weight = batch
        features = self.augment(features, length)
        with self._autocast():
            scores = self._forward(features) if length is None else self._forward(features, length)
        scores = scores.float()
        target = self._target(features, label, length)
        loss = self.loss(scores, target, weight)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = self._gradient_norm(step)
        self._optimize()
        return loss.detach(), scores.detach(), label, norm

    def _gradient_norm(self, step: int) -> Tensor | None:
        if self.config.clip_norm is not None:
            return nn.utils.clip_grad_norm_(self._trained, self.config.clip_norm)
        if step % _NORM_EVERY == 0:
            return nn.utils.get_total_norm([p.grad for p in self._trained if p.grad is not None])
        return None

    @torch.inference_mode()
    def evaluate(self, batches: Iterable[Batch]) -> Evaluation:
        """Scores and losses of every row, in float32 as in scoring, without augmentation.

        Calls the net itself, never a distributed wrapper, so ranks may have unequal shares.

        Raises:
            DivergedError: the loss is NaN or infinite.
            ConfigError: labels that don't fit the loss.
        """
        was_training = self.net.training
        self.net.eval()
        parts = [self._evaluate_batch(self._to_device(batch)) for batch in batches]
        self.net.train(was_training)
        if not parts:
            return self._empty_evaluation()
        scores, labels, losses, weights = (
            torch.cat(part).cpu() for part in zip(*parts, strict=True)
        )
        total = float(weights.sum(dtype=torch.float64))
        loss = float((losses.double() * weights).sum()) / total if total > 0 else float("nan")
        if total > 0 and not math.isfinite(loss):
            raise DivergedError(
                f"The loss is {loss} in the evaluation after epoch {self.epoch}. {_ADVICE}"
            )
        return Evaluation(
            task=self.task,
            loss=loss,
            count=len(losses),
            total_weight=total,
            scores=scores,
            labels=labels,
            losses=losses,
        )

    def _evaluate_batch(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        features, label, length, weight = batch
        scores = (self.net(features) if length is None else self.net(features, length)).float()
        target = self._target(features, label, length)
        losses = self.loss.per_row(scores, target)
        weights = self.loss.row_weights(target, weight)
        recorded = scores[:, :0] if self.task.reconstructs else scores
        return (
            recorded.flatten(1),
            label,
            losses,
            torch.ones_like(losses) if weights is None else weights,
        )

    def _empty_evaluation(self) -> Evaluation:
        width = 0 if self.task.reconstructs else self.net.num_outputs
        label_type = torch.int64 if self.task.has_classes else torch.float32
        return Evaluation(
            task=self.task,
            loss=float("nan"),
            count=0,
            total_weight=0.0,
            scores=torch.zeros(0, width),
            labels=torch.zeros(0, dtype=label_type),
            losses=torch.zeros(0),
        )

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs: tensors, numbers and strings only."""
        return {
            "net": self.net.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "epoch": self.epoch,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue after the epoch that `state` was taken."""
        self.net.load_state_dict(state["net"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.epoch = int(state["epoch"])

    def _to_device(self, batch: Batch) -> Batch:
        """The batch on the device, without the host waiting for the copy."""
        features, label, length, weight = batch
        if features.device != self.device:
            features = features.to(self.device, non_blocking=True)
            label = label.to(self.device, non_blocking=True)
            length = length if length is None else length.to(self.device, non_blocking=True)
            weight = weight if weight is None else weight.to(self.device, non_blocking=True)
        if self._channels_last:
            features = features.contiguous(memory_format=torch.channels_last)
        return Batch(features, label, length, weight)

    def _target(self, features: Tensor, label: Tensor, length: Tensor | None) -> Tensor:
        if self.task.reconstructs:
            with torch.no_grad():
                prepared: Tensor = self.net.prepare(features, length)
            return prepared
        return label

    def _autocast(self) -> contextlib.AbstractContextManager[Any]:
        if self._autocast_dtype is None:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, self._autocast_dtype)


_ADVICE = (
    "Lower training.learning_rate, set training.clip_norm (1.0), or look for NaN and huge values "
    "in the rows."
)


class _Totals:
    """Sums over the steps of an epoch, on the device between two checks of the loss."""

    def __init__(self, fit: Fit) -> None:
        self.fit = fit
        self.counts_right = fit.task.has_classes
        self.steps = self.rows = 0
        self.loss = 0.0
        self.right: Tensor | None = None
        self.norms: list[Tensor] = []
        self.pending: list[tuple[Tensor, int, float]] = []

    def add(
        self, rate: float, loss: Tensor, scores: Tensor, labels: Tensor, norm: Tensor | None
    ) -> None:
        rows = len(labels)
        self.pending.append((loss, rows, rate))
        self.rate = rate
        self.steps += 1
        self.rows += rows
        if norm is not None:
            self.norms.append(norm)
        if self.counts_right:
            right = (scores.argmax(1) == labels).sum()
            self.right = right if self.right is None else self.right + right
        if len(self.pending) == _CHECK_EVERY:
            self._check_losses()

    def metrics(self) -> dict[str, float]:
        self._check_losses()
        metrics = {"train/loss": self.loss / self.rows, "learning_rate": self.rate}
        if self.right is not None:
            metrics["train/accuracy"] = int(self.right) / self.rows
        metrics["gradient_norm"] = float(torch.stack(self.norms).mean())
        return metrics

    def _check_losses(self) -> None:
        if not self.pending:
            return
        losses = torch.stack([loss for loss, _, _ in self.pending]).tolist()
        first = self.steps - len(losses) + 1
        for step, (loss, (_, rows, rate)) in enumerate(
            zip(losses, self.pending, strict=True), first
        ):
            if not math.isfinite(loss):
                raise DivergedError(
                    f"The loss became {loss} at epoch {self.fit.epoch + 1}, step {step} of "
                    f"{self.fit.steps_per_epoch}, at learning rate {rate:.3g}. {_ADVICE}"
                )
            self.loss += loss * rows
        self.pending.clear()


def _task(net: Net, config: TrainingConfig) -> Task:
    task = Task.of(net.config.kind, has_classes=config.loss in Task.CLASSES.losses)
    if config.loss not in task.losses:
        raise ConfigError(
            f"an autoencoder learns its own input by loss 'mse', got {config.loss!r}. Set loss to "
            f"mse, monitor to {task.monitor} and mode to {task.mode}."
        )
    return task


@contextlib.contextmanager
def _fork_seed(seed: int, epoch: int, device: torch.device) -> Iterator[None]:
    """Dropout and augmentation depend on (seed, epoch, rank); the caller's random state comes back."""
    ready = torch.distributed.is_available() and torch.distributed.is_initialized()
    rank = torch.distributed.get_rank() if ready else 0
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(mix_seed(seed, epoch, rank))
        yield
