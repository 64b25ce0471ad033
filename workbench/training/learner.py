"""One experiment on one worker: the net, its data and the state of its training.

The same object trains in a Ray Train worker and in a Ray Tune trial.
"""

from __future__ import annotations

import copy
import dataclasses
import itertools
import math
import pickle
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from nets.custom_metric import CustomMetrics
from nets.evaluation import HELD_BYTES
from nets.fit import Batch, Evaluation, Fit, Monitor, place
from nets.inside import contents, watch_health
from nets.workers import add_up, agree
from workbench.bridge import Prepared, SplitReader
from workbench.errors import TrainingError
from workbench.experiments.experiment import Experiment
from workbench.training.epochs import plan_of
from workbench.training.nets_for_data import check_task as check_task
from workbench.training.nets_for_data import new_net as new_net
from workbench.training.nets_for_data import task_of as task_of
from workbench.training.process import describe_use

_EVALUATED = 256
"""Rows that are evaluated at a time, at least."""
_MEASURED = 100
"""Batches that batch norms of averaged weights are measured on, at most."""
_STEPS_A_LOOK = 16
"""Steps between two looks at the clock, about which several workers talk."""

Gather = Callable[[Evaluation], list[Evaluation]]
"""Collects the evaluations of all workers."""


class _Reading(NamedTuple):
    """What reading the epoch under way cost before this process."""

    waited: float
    rows: int
    seconds: float
    """Seconds of training at the beginning of the epoch."""


class Learner:
    """Trains one epoch at a time, keeps the best weights, and can be saved and continued."""

    def __init__(
        self,
        experiment: Experiment,
        prepared: Prepared,
        *,
        rank: int = 0,
        world_size: int = 1,
        device: torch.device | str | None = None,
        wrap: Callable[[nn.Module], nn.Module] | None = None,
        gather: Gather = lambda evaluation: [evaluation],
    ) -> None:
        """
        Args:
            rank: number of this worker, from 0 to `world_size` - 1.
            device: where the net and the batches are.
            wrap: makes the net one of several synchronised replicas (DistributedDataParallel).
            gather: collects the evaluations of all workers; each worker gets them all.
        """
        self.training = experiment.training
        self.prepared = prepared
        self.rank, self.world_size, self.gather = rank, world_size, gather
        net = new_net(experiment, prepared)
        # Moved to the device first: a wrapper keeps the device and memory layout it was made with.
        self.net = place(net, self.training, device)
        self._readers: dict[str, SplitReader] = {}
        self.device = next(self.net.parameters()).device
        self.plan = plan_of(experiment, prepared, world_size=world_size)
        self.fit = Fit(
            self.net,
            self.training,
            steps_per_epoch=self.plan.steps_per_epoch,
            num_steps=self.plan.num_steps,
            class_counts=prepared.class_counts,
            device=self.device,
            model=wrap(self.net) if wrap else None,
            task=task_of(experiment, prepared),
        )
        self.monitor = Monitor(self.training)
        self._own_metrics = CustomMetrics(self.training.metrics)
        self._before = _Reading(0.0, 0, 0.0)
        self._time_is_over = False
        self._stopped = False
        """Whether a callback ended the training."""
        self.last_metrics: dict[str, float] = {}
        """Of the last epoch that is done; a checkpoint holds them, as a report may be lost."""
        self.best_weights: dict[str, torch.Tensor] = {}

    @property
    def epoch(self) -> int:
        """Epochs trained so far."""
        return self.fit.epoch

    @property
    def finished(self) -> bool:
        """All epochs are done, or all rows or minutes that the training may take, or none of the last
        `patience` epochs was better than the best."""
        steps = self.epoch * self.plan.steps_per_epoch
        ends = self._time_is_over or self._stopped
        return ends or self.monitor.should_stop or steps >= self.plan.num_steps

    def train_part(self, max_seconds: float) -> bool:
        """Train on for so long, at most to the end of the epoch's rows; whether these are done.

        All workers stop after the same step; `save` may be called then.

        Raises:
            DivergedError: the loss is no longer finite.
        """
        ends_at = time.monotonic() + max_seconds

        def until_then() -> Iterator[Batch]:
            for number, batch in enumerate(self._train_batches(), 1):
                yield batch
                if number % _STEPS_A_LOOK == 0 and agree(time.monotonic() > ends_at, self.device):
                    return

        self.fit.train_steps(until_then())
        done = self.epoch * self.plan.steps_per_epoch + self.fit.step
        ends = min((self.epoch + 1) * self.plan.steps_per_epoch, self.plan.num_steps)
        return self._time_is_over or done == ends

    def describe_use(self) -> dict[str, str]:
        """The tags that say what is really used here: device, precision, threads and the like; and what
        there is to look at in the net."""
        used = describe_use(
            self.training,
            self.device,
            num_workers=self.world_size,
            num_parameters=sum(values.numel() for values in self.net.parameters()),
            steps_per_epoch=self.fit.steps_per_epoch,
        )
        return used | {"workbench.inside": ", ".join(contents(self.net)) or "nothing"}

    def train_epoch(self) -> dict[str, float]:
        """Train one epoch, or what `train_part` has left of it; evaluate, and return the metrics of both.

        Raises:
            DivergedError: the loss is no longer finite.
        """
        metrics = self.fit.train_epoch(self._train_batches())
        metrics |= self._measure_reading()
        began = time.perf_counter()
        with self.fit.averaged():
            self.fit.renew_statistics(self._some_batches())
            metrics |= self._validate()
        metrics |= self.fit.profile.take(time.perf_counter() - began)
        metrics["epoch"] = float(self.epoch)
        if self.fit.callbacks:
            metrics = self.fit.callbacks.end_epoch(self.fit, metrics)
            self._stopped = agree(self.fit.stopped, self.device)
        if (limit := self.training.max_minutes) is not None and not self._time_is_over:
            self._time_is_over = agree(self.fit.seconds > 60 * limit, self.device)
        if self._is_best(metrics):
            self.best_weights = self._weights()
        self.last_metrics = metrics
        if self.finished:
            self.fit.callbacks.end(self.fit)
        return metrics

    def _some_batches(self) -> Iterator[Batch]:
        """Training batches, the same for each worker, so that all of them measure the same."""
        reader, config = self._reader("train"), self.training
        batches = reader.shuffled(
            config.batch_size, seed=config.seed, epoch=0, resample=config.resample
        )
        yield from itertools.islice(batches, _MEASURED)
        reader.seconds_waited, reader.rows_read = 0.0, 0  # the epoch's own are counted before

    def _weights(self) -> dict[str, torch.Tensor]:
        """A copy on the CPU of the weights that are evaluated and kept."""
        with self.fit.averaged():
            return copy.deepcopy(cpu_state(self.net))

    def _measure_reading(self) -> dict[str, float]:
        """What the epoch's rows cost: bytes read by all workers, and how long a worker waited for them,
        a mean over the workers."""
        reader, before = self._reader("train"), self._before
        waited, read = before.waited + reader.seconds_waited, before.rows + reader.rows_read
        reader.seconds_waited, reader.rows_read = 0.0, 0
        sums = torch.tensor([waited, read], dtype=torch.float64, device=self.device)
        waited, read = add_up(sums).tolist()
        waited /= self.world_size
        seconds = self.fit.seconds - before.seconds
        self._before = _Reading(0.0, 0, self.fit.seconds)
        metrics = {
            "data/seconds_waited": waited,
            "data/share_waited": waited / seconds,
            "data/bytes": read * reader.split.num_bytes / reader.split.num_rows,
        }
        if reader.split.shards is None:
            return metrics
        counts = reader.shards.take_counts() if reader.shards else (0, 0, 0)  # 0: on the device
        sums = torch.tensor(counts, dtype=torch.float64, device=self.device)
        opened, fetched, num_bytes = add_up(sums).tolist()
        return metrics | {
            "data/bytes_fetched": num_bytes,
            "data/cache_hits": 1 - fetched / max(opened, 1),
        }

    def _is_best(self, metrics: dict[str, float]) -> bool:
        """Whether the epoch is the best so far; without validation rows the last one is kept."""
        if self.training.monitor.startswith("validation/") and not self.prepared.has("validation"):
            return True
        return self.monitor.update(self.epoch, metrics)

    def _validate(self) -> dict[str, float]:
        if not self.prepared.has("validation"):
            return {}
        if not self.training.health or self.rank:
            return self.evaluate("validation").metrics("validation")
        with watch_health(self.net) as health:
            evaluation = self.evaluate("validation")
        return evaluation.metrics("validation") | health

    def evaluate(self, split: str) -> Evaluation:
        """The net on every row of a split, each exactly once, over all workers together; with
        `training.limit_batches` on so many batches for each worker."""
        limit = self.training.limit_batches
        size = self.training.batch_size if limit else max(_EVALUATED, self.training.batch_size)
        rows = self._reader(split).in_order(size, rank=self.rank, world_size=self.world_size)
        rows = itertools.islice(rows, limit)
        held_bytes = HELD_BYTES // self.world_size  # each worker gets what all of them keep
        whole = Evaluation.merge(self.gather(self.fit.evaluate(rows, held_bytes=held_bytes)))
        return dataclasses.replace(whole, own=self._own_metrics.measure(whole))

    def save(self, folder: Path) -> None:
        """Everything needed to continue (`state.pt`) and the best weights (`best.safetensors`)."""
        if not self.best_weights:  # in the first epoch
            self.best_weights = self._weights()
        reader, before = self._reader("train"), self._before
        rows = before.rows + reader.rows_read * self.world_size  # the others read about as many
        reading = (before.waited + reader.seconds_waited, rows)
        state = {
            "fit": self.fit.state_dict(),
            "monitor": self.monitor.state_dict(),
            "reading": [*reading, before.seconds],
            "time_is_over": self._time_is_over,
            "stopped": self._stopped,
            "metrics": self.last_metrics,
        }
        torch.save(state, folder / "state.pt")
        save_file(self.best_weights, folder / "best.safetensors")
        save_file(self._weights(), folder / "last.safetensors")

    def load(self, folder: Path) -> None:
        """Continue from what `save` wrote.

        Raises:
            TrainingError: the files hold something else. No code in them is run.
        """
        try:
            state = torch.load(folder / "state.pt", map_location=self.device, weights_only=True)
            best = load_file(folder / "best.safetensors")
        except (
            pickle.UnpicklingError,
            SafetensorError,
            RuntimeError,
            EOFError,
            ValueError,
        ) as error:
            raise TrainingError(
                f"The checkpoint in {folder} is damaged, or another program wrote it. It is not used: "
                f"{str(error).splitlines()[0] if str(error) else type(error).__name__} "
                "Train anew, or resume from another run."
            ) from error
        self.fit.load_state_dict(state["fit"])
        self.monitor.load_state_dict(state["monitor"])
        self._time_is_over = bool(state.get("time_is_over", False))
        self._stopped = bool(state.get("stopped", False))
        self.last_metrics = dict(state.get("metrics", {}))
        # Older checkpoints have none. The first worker counts the rows of all.
        self._before = _Reading(*state.get("reading", (0.0, 0, self.fit.seconds)))
        if self.rank:
            self._before = self._before._replace(rows=0)
        self.best_weights = best

    def _reader(self, split: str) -> SplitReader:
        if split not in self._readers:
            self._readers[split] = SplitReader(self.prepared.splits[split], self.device)
        return self._readers[split]

    def _train_batches(self) -> Iterator[Batch]:
        """What is left of the epoch, and of the time."""
        if self._time_is_over:
            return
        config, limit = self.training, self.training.max_minutes
        ends_at = math.inf
        if limit is not None:
            ends_at = time.perf_counter() + 60 * limit - self.fit.seconds
        number = 0
        for stretch in self.plan.stretches(self.epoch, self.fit.step):
            batches = self._reader("train").shuffled(
                config.batch_size,
                seed=config.seed,
                epoch=stretch.number,
                rank=self.rank,
                world_size=self.world_size,
                resample=config.resample,
                first=stretch.first,
            )
            for batch in itertools.islice(batches, stretch.steps):
                yield batch
                number += 1
                if limit is not None and number % _STEPS_A_LOOK == 0:
                    self._time_is_over = agree(time.perf_counter() > ends_at, self.device)
                    if self._time_is_over:
                        return


def cpu_state(net: nn.Module) -> dict[str, torch.Tensor]:
    """The net's state on the CPU, as safetensors takes it."""
    return {name: value.detach().cpu().contiguous() for name, value in net.state_dict().items()}
