"""Averaged weights: a mean of a net's weights over the training, which is evaluated and kept.

Either an exponential moving average over the steps (Polyak and Juditsky 1992; its decay rises at first, as
in TensorFlow's `ExponentialMovingAverage`, so that the random beginning is soon forgotten), or the plain
mean over the last epochs (Izmailov et al. 2018, "Averaging weights leads to wider optima and better
generalization").
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Iterator, Mapping

import torch
from torch import Tensor, nn

from nets.batches import Batch
from nets.training import TrainingConfig
from nets.workers import share_of_same, use_share

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


class Averages:
    """The mean of the weights of `net`, and of its running statistics.

    Args:
        decay: share of the mean that a step keeps, below 1; None: the plain mean over epochs.
        first_step: how many steps are done where the mean over epochs begins.
    """

    def __init__(self, net: nn.Module, decay: float | None, *, first_step: float = 0.0) -> None:
        self._net, self._decay, self._first_step = net, decay, first_step
        self._steps = 0
        # A module that is there twice has its weights once: they are swapped once.
        last = {_place(value): name for name, value in net.state_dict().items()}
        self._means = {
            name: value.detach().clone()
            for name, value in net.state_dict().items()
            if value.is_floating_point() and last[_place(value)] == name
        }

    def end_step(self) -> None:
        """After a change of the weights."""
        if self._decay is not None:
            self._update()

    def end_epoch(self, step: int) -> None:
        """After an epoch, with so many steps done."""
        if self._decay is None and step >= self._first_step:
            self._update()

    @torch.no_grad()
    def _update(self) -> None:
        self._steps += 1
        share = 1 / self._steps
        if self._decay is not None:
            share = 1 - min(self._decay, (1 + self._steps) / (10 + self._steps))
        now = self._net.state_dict()
        for name, mean in self._means.items():
            mean.lerp_(now[name].detach(), share)

    @property
    def are_of_epochs(self) -> bool:
        """Whether there is a mean over epochs: its batch norms have to be measured anew."""
        return self._decay is None and self._steps > 0

    @contextlib.contextmanager
    def in_use(self) -> Iterator[None]:
        """The net has the means as its weights inside the block, and its own again after it."""
        if not self._steps:
            yield
            return
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        now = self._net.state_dict()
        for name, mean in self._means.items():
            own = now[name].clone()
            now[name].copy_(mean)
            mean.copy_(own)

    def state_dict(self) -> dict[str, Tensor | int]:
        """What a training that goes on needs."""
        return {"steps": self._steps, **self._means}

    def load_state_dict(self, state: Mapping[str, Tensor | int]) -> None:
        """Continue from what `state_dict` gave."""
        self._steps = int(state["steps"])
        for name, mean in self._means.items():
            mean.copy_(state[name])


def _place(value: Tensor) -> tuple[int, torch.Size]:
    return value.data_ptr(), value.shape


def make_averages(net: nn.Module, config: TrainingConfig, num_steps: int) -> Averages | None:
    """The mean that a training asks for; None: it asks for none.

    Args:
        num_steps: of the whole training.
    """
    if config.swa_start is not None:
        return Averages(net, None, first_step=config.swa_start * num_steps)
    return None if config.average is None else Averages(net, config.average)


@torch.no_grad()
def renew_statistics(
    net: nn.Module, batches: Iterable[Batch], held: Collection[nn.Module] = ()
) -> None:
    """Measure the means and variances of batch norms anew: those of one net are not those of a mean of nets.

    As `torch.optim.swa_utils.update_bn`, but without dropout, and also for rows with lengths.

    Args:
        batches: of training rows, on the net's device; the same for all workers.
        held: layers that keep theirs.
    """
    norms = [m for m in net.modules() if isinstance(m, _NORMS) and m.track_running_stats]
    norms = [m for m in norms if m not in held]
    if not norms:
        return
    was_training, before = net.training, [(m.momentum, m.num_batches_tracked) for m in norms]
    net.eval()
    for norm in norms:
        norm.num_batches_tracked = torch.zeros_like(norm.num_batches_tracked)  # type: ignore[arg-type]
        norm.reset_running_stats()
        norm.momentum = None  # each batch counts the same
        norm.train()
    for batch in batches:
        with use_share(share_of_same(len(batch.features))):
            net(batch.features) if batch.length is None else net(batch.features, batch.length)
    for norm, (momentum, tracked) in zip(norms, before, strict=True):
        norm.momentum, norm.num_batches_tracked = momentum, tracked
    net.train(was_training)
