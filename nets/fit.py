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
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from nets import memory
from nets.augment import Augment, AugmentConfig
from nets.averaging import make_averages, renew_statistics
from nets.batches import Batch, batches, map_tensors, num_batches
from nets.callbacks import Callbacks
from nets.descent import Descent
from nets.errors import ConfigError, DivergedError
from nets.evaluation import HELD_BYTES, EvaluatedRows, Evaluation, collect
from nets.fit_setup import ADVICE, find_task, keep_random_state, place
from nets.layer_rules import LayerRules
from nets.loss_check import check_losses
from nets.losses import Loss
from nets.mixing import Mixing, partners
from nets.monitor import Monitor
from nets.net import Net
from nets.optimizers import make_optimizer, make_rates
from nets.order import step_seeds
from nets.precision import Precision
from nets.step_losses import StepLosses, StepPoint, steps_a_point
from nets.step_profile import StepProfile
from nets.task import Task
from nets.totals import EpochTotals
from nets.training import TrainingConfig
from nets.update import LayerUpdates
from nets.workers import use_share, world_size

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


class Fit:
    """A net in training: the net, its optimizer, and how far the run has come.

    Everything random in a step is drawn from (seed, epoch, step), so a run that goes on at any step
    gives what an uninterrupted one would have given. Several workers draw what one would have drawn.

    Args:
        net: trained in place.
        steps_per_epoch: batches in an epoch, for the schedule.
        num_steps: batches of the whole training, for the schedule; None: of all epochs.
        class_counts: rows of each class in the training split, for `class_weights="balanced"`.
        device: where to train; None: where the net is.
        model: what is called in training, such as a distributed wrapper of `net`; None: `net`.
        task: what is learned; None: as the loss says. A loss of a person's own does not say it.
        rate: the learning rate of a step, counted from 0; None: as `config.schedule` says.

    Raises:
        ConfigError: settings that don't fit the net or its input.
    """

    def __init__(
        self,
        net: Net,
        config: TrainingConfig,
        *,
        steps_per_epoch: int,
        num_steps: int | None = None,
        class_counts: Sequence[int] | None = None,
        device: torch.device | str | None = None,
        model: nn.Module | None = None,
        task: Task | None = None,
        rate: Callable[[int], float] | None = None,
    ) -> None:
        if steps_per_epoch < 1:
            raise ConfigError(f"an epoch needs at least 1 batch, got {steps_per_epoch}.")
        self.net = place(net, config, device)
        self.config = config
        self.steps_per_epoch = steps_per_epoch
        self.device = next(net.parameters()).device
        self.task = find_task(net, config, task)
        self.loss = Loss(config, class_counts, self.device)
        self.augment = Augment(config.augment, net.spec)
        self._mixing = Mixing(config.augment, net.spec, self.task)
        self._layers = LayerRules(net, config)
        self.optimizer = make_optimizer(net.parameters(), config, self._layers.factor)
        self.callbacks = Callbacks(config.callbacks)
        num_steps = num_steps or config.epochs * steps_per_epoch
        self.averages = make_averages(net, config, num_steps)
        """The mean of the weights; None without `config.average` and `config.swa_start`."""
        self.stopped = False
        """Whether `stop` was called."""
        self._precision = Precision(config, self.device, self.optimizer)
        self.profile = StepProfile(self.device, active=config.profile)
        """What the steps' time is spent on, with `config.profile`."""
        trained = [p for p in net.parameters() if p.requires_grad]
        self._descent = Descent(
            config,
            self.optimizer,
            trained,
            self._layers,
            self._precision,
            self.averages,
            self.profile,
        )
        self.epoch = 0
        """Epochs completed."""
        self.step = 0
        """Steps completed of the epoch that is under way."""
        self._totals = EpochTotals()
        self._step_losses = StepLosses(steps_a_point(config, steps_per_epoch))
        self._began = 0.0
        self._updates: LayerUpdates | None = None
        self._rate = rate or make_rates(config, num_steps, steps_per_epoch)
        self.model = net if model is None else model
        self._forward = torch.compile(self.model) if config.compile else self.model
        self._channels_last = config.channels_last and net.spec.kind == "image"

    def train_epoch(self, batches: Iterable[Batch]) -> dict[str, float]:
        """Train on every batch of an epoch once, or on those that `train_steps` has left.

        Returns:
            train/loss and, for classes, train/accuracy: means over the rows as they were seen, so
            augmented and with dropout; learning_rate of the last step; gradient_norm, before
            clipping, a mean over a sample of the steps; samples_per_s, of all workers together; with
            `config.health`, health/<layer>/gradient_norm (of the last step), weight_norm,
            update_ratio.

        Raises:
            DivergedError: the loss is NaN or infinite.
            ConfigError: no batches, or labels that don't fit the loss.
        """
        self.train_steps(batches)
        self._descent.finish(self.epoch, self.step)  # the training ends within the epoch
        if self._totals.steps == 0:
            raise ConfigError("an epoch needs at least 1 batch, got none. Is the split empty?")
        metrics = self._totals.metrics()
        if self._updates is not None:
            metrics |= self._updates.measure()
        self._totals, self._updates, self.step = EpochTotals(), None, 0
        self.epoch += 1
        if self.averages is not None:
            self.averages.end_epoch(self.epoch * self.steps_per_epoch)
        return metrics

    def train_steps(self, batches: Iterable[Batch]) -> None:
        """Train on the next batches of an epoch; `state_dict` may be taken after them.

        Raises:
            DivergedError: the loss is NaN or infinite.
            ConfigError: more batches than `steps_per_epoch`, or labels that don't fit the loss.
            MemoryFullError: a step does not fit the device's memory.
        """
        self._began = time.perf_counter()
        if self._updates is None and self.config.health:
            self._updates = LayerUpdates(self.net)
        first_step = self.epoch * self.steps_per_epoch
        seeds = step_seeds(self.config.seed, self.epoch, self.steps_per_epoch)
        self.net.train()
        self.model.train()
        self._layers.hold_statistics(self.epoch)
        with keep_random_state(self.device):
            self.callbacks.start_steps(self)
            for batch in self.profile.watch(batches):
                if self.step >= len(seeds):
                    raise ConfigError(
                        f"an epoch has {self.steps_per_epoch} batches (steps_per_epoch), got more."
                    )
                torch.manual_seed(seeds[self.step])
                rate = self._rate(first_step + self.step)
                for group in self.optimizer.param_groups:
                    group["lr"] = rate * group.get("rate_factor", 1.0)
                with use_share(batch.share):
                    self._take_step_or_explain(batch, rate)
        self._check_losses()
        self._totals.merge(self.device)
        self._step_losses.merge(self.device)
        seconds = time.perf_counter() - self._began
        self._totals.seconds += seconds
        self._step_losses.seconds += seconds
        self.profile.add_total(seconds)

    def stop(self) -> None:
        """End the training after this epoch, as a callback may ask for."""
        self.stopped = True

    def averaged(self) -> contextlib.AbstractContextManager[None]:
        """The net has its averaged weights inside the block, if the training has any yet."""
        return contextlib.nullcontext() if self.averages is None else self.averages.in_use()

    def renew_statistics(self, batches: Iterable[Batch]) -> None:
        """Within `averaged`: measure batch norms on these rows, where weights of epochs are averaged."""
        if self.averages is not None and self.averages.are_of_epochs:
            held = self._layers.find_held(self.epoch - 1)
            renew_statistics(self.net, (self._to_device(batch) for batch in batches), held)

    def _take_step_or_explain(self, batch: Batch, rate: float) -> None:
        try:
            with self.profile.part("copy"):
                batch = self._to_device(batch)
            return self._take_step(batch, rate)
        except RuntimeError as error:
            if "primitive descriptor" in str(error) and self.device.type == "cpu":
                raise ConfigError(
                    f"this CPU cannot compute the net with training.precision "
                    f"{self.config.precision!r}. Set training.precision to float32 or bfloat16."
                ) from error
            if not memory.is_full(error):
                raise
        self.optimizer.zero_grad(set_to_none=True)
        alone = world_size() == 1
        raise memory.explain(batch, self.device, self._try_step if alone else None)

    def _try_step(self, batch: Batch) -> None:
        """Forward and backward pass; the net stays as it is."""
        _, loss = self._scores_and_loss(self._to_device(batch))
        loss.backward()
        self.optimizer.zero_grad(set_to_none=True)

    def _scores_and_loss(self, batch: Batch, own: float = 1.0) -> tuple[Tensor, Tensor]:
        """The forward pass: scores (B, ...) float32, and the batch's loss, ().

        Args:
            own: share of the rows' own labels in the loss, where rows are mixed.
        """
        features, label, length, weight, share = batch
        with self._precision.autocast():
            scores = self._forward(features) if length is None else self._forward(features, length)
        scores = scores.float()
        target = self._target(features, label, length)
        loss = self.loss.of_batch(scores, target, weight, share)
        if own == 1:
            return scores, loss
        other = partners(batch)
        mixed = self.loss.of_batch(scores, other.label, other.weight, share)
        return scores, own * loss + (1 - own) * mixed

    def _take_step(self, batch: Batch, rate: float) -> None:
        label, share = batch.label, batch.share
        own = 1.0
        with self.profile.part("forward"):
            batch = batch._replace(features=self.augment(batch.features, batch.length))
            if self._mixing:
                batch, own = self._mixing(batch)
            scores, loss = self._scores_and_loss(batch, own)
        norm = self._descend(loss, batch)
        self.step += 1
        right = None
        if self.task.has_classes and (share is None or share.counts):
            answers = scores.detach().argmax(1)
            right = (answers == label).sum()
            if self._mixing:
                right = own * right + (1 - own) * (answers == label.flip(0)).sum()
        rows = len(label) if share is None else share.of
        self._totals.add(rate, loss.detach(), rows, right, norm, time.perf_counter())
        self.callbacks.end_step(self, loss.detach())
        if len(self._totals.pending) == _CHECK_EVERY:
            self._check_losses()

    def _descend(self, loss: Tensor, batch: Batch) -> Tensor | None:
        """The step of a batch; the gradient's norm, (), where it was computed."""
        _, label, _, weight, share = batch
        rows = len(label) if share is None else share.of
        total: Tensor | float = rows
        if self.config.accumulate > 1:
            total = self.loss.weight_of_batch(label, weight, share)
        left = self.steps_per_epoch - self.step
        return self._descent.add(loss, total, rows, left=left, epoch=self.epoch, step=self.step)

    def _check_losses(self) -> None:
        check_losses(self._totals, self._step_losses, self.epoch, self.steps_per_epoch, self._began)

    @property
    def seconds(self) -> float:
        """Seconds of training since the beginning, without evaluations."""
        return self._step_losses.seconds

    def take_points(self) -> list[StepPoint]:
        """The training loss by step since the last call, as `TrainingConfig.loss_points` says."""
        return self._step_losses.take()

    @property
    def rows(self) -> int:
        """Rows of the epoch under way that were trained on, by all workers together."""
        return self._totals.rows

    @torch.inference_mode()
    def evaluate(self, batches: Iterable[Batch], *, held_bytes: int = HELD_BYTES) -> Evaluation:
        """Scores and losses of every row, in float32 as in scoring, without augmentation.

        Calls the net itself, never a distributed wrapper, so ranks may have unequal shares.

        Args:
            held_bytes: scores, labels and losses to keep: of the first rows, where all of them take
                more. Then the results come from sums over all rows.

        Raises:
            DivergedError: the loss is NaN or infinite.
            ConfigError: labels that don't fit the loss.
        """
        was_training = self.net.training
        self.net.eval()
        parts = (self._evaluate_batch(self._to_device(batch)) for batch in batches)
        width = 0 if self.task.reconstructs else self.net.num_outputs
        evaluation = collect(self.task, parts, width, held_bytes)
        self.net.train(was_training)
        if evaluation.total_weight > 0 and not math.isfinite(evaluation.loss):
            raise DivergedError(
                f"The loss is {evaluation.loss} in the evaluation after epoch {self.epoch}. {ADVICE}"
            )
        return evaluation

    def _evaluate_batch(self, batch: Batch) -> EvaluatedRows:
        features, label, length, weight, _ = batch
        scores = (self.net(features) if length is None else self.net(features, length)).float()
        target = self._target(features, label, length)
        losses = self.loss.per_row(scores, target)
        weights = self.loss.row_weights(target, weight)
        recorded = scores[:, :0] if self.task.reconstructs else scores
        weights = torch.ones_like(losses) if weights is None else weights
        return EvaluatedRows(recorded.flatten(1), label, losses, weights)

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs: tensors, numbers and strings only."""
        return {
            "net": self.net.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "epoch": self.epoch,
            "step": self.step,
            "totals": self._totals.state_dict(),
            "step_losses": self._step_losses.state_dict(),
            "precision": self._precision.state_dict(),
            "callbacks": self.callbacks.state_dict(),
            "averages": {} if self.averages is None else self.averages.state_dict(),
            "descent": self._descent.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue after the step that `state` was taken."""
        self.net.load_state_dict(state["net"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.epoch, self.step = int(state["epoch"]), int(state["step"])
        self._totals = EpochTotals(**state["totals"])
        self._step_losses = StepLosses(
            self._step_losses.steps_a_point,
            **state.get("step_losses", {}),  # older checkpoints have none
        )
        self._precision.load_state_dict(state.get("precision", {}))
        self.callbacks.load_state_dict(state.get("callbacks", []))
        if self.averages is not None:
            self.averages.load_state_dict(state["averages"])
        self._descent.load_state_dict(state.get("descent", {}))

    def _to_device(self, batch: Batch) -> Batch:
        """The batch on the device, without the host waiting for the copy."""
        if batch.features.device != self.device:
            batch = map_tensors(batch, lambda x: x.to(self.device, non_blocking=True))
        if self._channels_last:
            features = batch.features.contiguous(memory_format=torch.channels_last)
            batch = batch._replace(features=features)
        return batch

    def _target(self, features: Tensor, label: Tensor, length: Tensor | None) -> Tensor:
        if self.task.reconstructs:
            with torch.no_grad():
                prepared: Tensor = self.net.prepare(features, length)
            return prepared
        return label
