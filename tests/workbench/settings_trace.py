"""What an experiment's settings become, built for real and without Ray, as values to compare."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import nn

import nets
from nets import ConfigError, Net, Task, TrainingConfig
from nets.augment import Augment, AugmentConfig
from nets.batches import num_resampled_rows
from nets.config import to_dict
from nets.epochs import plan_epochs
from nets.fit import Batch, Fit, Monitor, batches, num_batches
from nets.losses import Loss
from nets.mel import log_mel
from nets.optimizers import make_optimizer, make_rates
from nets.spec import TensorSpec
from nets.statistics import Sums
from nets.step_losses import steps_a_point
from workbench.cluster import ClusterConfig, build_spark_settings
from workbench.cluster.spark_start import _spark_settings
from workbench.experiments.experiment import Experiment
from workbench.experiments.space import SweepConfig
from workbench.preflight.capacity import Machine, plan
from workbench.sweeps.folds import add_folds
from workbench.sweeps.schedulers import make_scheduler
from workbench.sweeps.search import plan_trials
from workbench.sweeps.searcher import StudySearcher
from workbench.training.checkpoints import checkpoint_folder
from workbench.training.idle_rule import sample_kind
from workbench.training.process import worker_resources

ROWS, CLASSES = 14, 3
_SPECS = {
    "image": TensorSpec(kind="image", shape=(2, 8, 8), dtype="uint8"),
    "series": TensorSpec(kind="series", shape=(6, 3)),
    "tokens": TensorSpec(kind="tokens", shape=(6,), dtype="int32", vocabulary_size=12),
    "vector": TensorSpec(kind="vector", shape=(5,)),
    "sound": TensorSpec(kind="sound", shape=(800,), dtype="int16", rate=8000),
}
_SERIES_OF_EPOCHS = {  # metric: its values, for what chooses epochs
    "accuracy": (0.5, 0.4, 0.6, 0.3, 0.2),
    "loss": (1.0, 2.0, 0.5, 3.0, 4.0),
    "other": (0.1, 0.2, 0.3, 0.2, 0.1),
}


def trace(experiment: Experiment) -> dict[str, Callable[[], Any]]:
    """The parts of what is built from an experiment, each made when it is asked for; the cheap first."""
    kind = sample_kind(experiment.data.source)
    net, preparation, training = experiment.net, experiment.preparation, experiment.training
    values = training.loss not in Task.CLASSES.losses
    return {
        "names": lambda: (experiment.name, experiment.description),
        "pieces": lambda: _once(_make_pieces, training),
        "epochs": lambda: _once(_choose_epoch, training),
        "augment": lambda: _once(_vary, training.augment, kind),
        "net": lambda: _digest(_once(_build, net, preparation, training.seed, kind, values)),
        "sweep": lambda: _once(_plan_sweep, add_folds(experiment).sweep, training.epochs),
        "cluster": lambda: _once(_plan_cluster, experiment.cluster),
        "capacity": lambda: _once(_plan_capacity, experiment.sweep, experiment.cluster),
        "training": lambda: _once(_train, net, preparation, training, kind, values),
    }


_MADE: dict[str, Any] = {}


def _once(make: Callable[..., Any], *parts: Any) -> Any:
    """`make(*parts)`, made once for equal parts."""
    plain = [to_dict(p) if hasattr(p, "__dataclass_fields__") else p for p in parts]
    key = json.dumps([make.__name__, [type(p).__name__ for p in parts], plain])
    if key not in _MADE:
        _MADE[key] = make(*parts)
    return _MADE[key]


def _rows(kind: str, values: bool) -> Batch:
    generator = np.random.default_rng(0)
    spec = _SPECS[kind]
    if kind == "tokens":
        samples = generator.integers(1, 12, (ROWS, *spec.shape)).astype(np.int32)
    elif kind == "sound":
        samples = generator.integers(-9000, 9000, (ROWS, *spec.shape)).astype(np.int16)
    elif kind == "image":
        samples = generator.integers(0, 17, (ROWS, *spec.shape)).astype(np.uint8)
    else:
        samples = generator.normal(size=(ROWS, *spec.shape)).astype(np.float32)
    label = torch.tensor([0] * 7 + [1] * 4 + [2] * 3)
    if values:
        label = torch.from_numpy(generator.normal(3, 2, (ROWS, 2)).astype(np.float32))
    return Batch(torch.from_numpy(samples), label)


def _make_pieces(training: TrainingConfig) -> Any:
    """Learning rates, losses, steps of the optimizer and the order of the rows."""
    values = training.loss not in Task.CLASSES.losses
    label = _rows("vector", values).label
    scores = torch.linspace(-2, 3, ROWS * (2 if values else CLASSES)).reshape(ROWS, -1)
    weights = nn.Parameter(torch.linspace(-1, 1, 6).reshape(2, 3))
    optimizer = make_optimizer([weights], training)
    for step in range(3):
        weights.grad = torch.full((2, 3), 0.5 + step)
        optimizer.step()
    rate = make_rates(training, 20, steps_per_epoch=5)
    order = [
        batch.features.tolist()
        for epoch in range(2)
        for batch in batches(
            Batch(torch.arange(ROWS), label),
            training.batch_size,
            seed=training.seed,
            epoch=epoch,
            resample=training.resample,
        )
    ]
    return (
        training.epochs,
        [rate(step) for step in range(20)],
        Loss(training, (7, 4, 3))(scores, label).item(),
        weights.tolist(),
        order,
        steps_a_point(training, 1000),
        plan_epochs(training, ROWS),
    )


def _vary(augment: AugmentConfig, kind: str) -> Any:
    generator = torch.Generator().manual_seed(0)
    features = _rows(kind, False).features
    return Augment(augment, _SPECS[kind])(features, generator=generator).tolist()


def _build(net: Any, preparation: Any, seed: int, kind: str, values: bool) -> Net:
    """The net as `workbench.training.learner.new_net` builds it, with figures of these rows."""
    spec, data = _SPECS[kind], _rows(kind, values)
    features = data.features.numpy().reshape(ROWS, -1)
    if kind == "sound":
        features = log_mel(data.features.numpy(), preparation.spectrogram, spec)
        features = features.reshape(-1, features.shape[2])
    sums = Sums(features.shape[1], outer=True)
    sums.add(features)
    task = Task.of(net, has_classes=not values)
    targets = None
    if task is Task.VALUES and preparation.targets != "none":
        if preparation.targets == "change" and kind != "series":
            raise ConfigError("as fit_targets: there is no last value here.")
        of_labels = Sums(2)
        change = data.features[:, -1, :2] if preparation.targets == "change" else 0
        of_labels.add((data.label - change).numpy())
        targets = of_labels.statistics()
    return nets.build(
        net,
        spec,
        CLASSES if task.has_classes else 2,
        prepare=nets.prepare.make(preparation, spec, sums.statistics()),
        restore=nets.restore.make(preparation, targets, (0, 1)),
        seed=seed,
    )


def _digest(net: Net) -> Any:
    whole = hashlib.sha256()
    for name, value in net.state_dict().items():
        whole.update(name.encode() + value.contiguous().numpy().tobytes())
    return repr(net), whole.hexdigest()


def _train(net: Any, preparation: Any, training: TrainingConfig, kind: str, values: bool) -> Any:
    """Metrics of every epoch, and the weights and memory layouts at the end."""
    built = copy.deepcopy(_once(_build, net, preparation, training.seed, kind, values))
    data = _rows(kind, values)
    counts = None if values else torch.bincount(data.label).tolist()
    num_rows = num_resampled_rows(counts or (), training.resample) if counts else ROWS
    steps = num_batches(num_rows, training.batch_size)
    fit = Fit(built, training, steps_per_epoch=steps, class_counts=counts)
    layouts: list[Any] = [p.stride() for p in built.parameters()]
    fit.model.register_forward_pre_hook(lambda _, inputs: layouts.append(inputs[0].stride()))
    history = []
    while fit.epoch < training.epochs:
        rows = batches(
            data,
            training.batch_size,
            seed=training.seed,
            epoch=fit.epoch,
            resample=training.resample,
        )
        metrics = fit.train_epoch(rows)
        history.append({k: v for k, v in metrics.items() if k != "samples_per_s"})
    with fit.averaged():
        kept = _digest(built)
    return history, layouts, _digest(built), kept


def _choose_epoch(training: TrainingConfig) -> Any:
    """Which epoch is the best of some, and after which the training stops."""
    monitor = Monitor(training)
    series = _SERIES_OF_EPOCHS.get(training.monitor.rpartition("/")[2], _SERIES_OF_EPOCHS["other"])
    for epoch, value in enumerate(series, 1):
        monitor.update(epoch, {training.monitor: value})
        if monitor.should_stop:
            break
    return training.monitor, monitor.epoch, monitor.best_epoch


def _plan_sweep(sweep: SweepConfig, epochs: int) -> Any:
    """Which settings are tried, in which order, and when trials are stopped."""
    space, search, num_samples, total = plan_trials(sweep, [])
    asked = [search.suggest(str(n)) for n in range(12)] if search is not None else []
    scheduler = make_scheduler(sweep, epochs, slots=2)
    numbers = {k: v for k, v in vars(scheduler).items() if isinstance(v, int | float)}
    stops = [epoch for epoch in range(1, 40) if sweep.decides_at(epoch, 40)]
    better: Any = None
    if isinstance(search, StudySearcher):
        better = (search.metric, search.mode, type(search._study._study.sampler).__name__)
    return str(space), num_samples, total, asked, type(scheduler).__name__, numbers, stops, better


def _plan_cluster(cluster: ClusterConfig) -> Any:
    """What Ray, Spark and the workers are started with."""
    experiment = Experiment(name="any", cluster=cluster)
    java: Any = SimpleNamespace(options="")
    spark = build_spark_settings(cluster.spark) if cluster.topology == "spark" else None
    return (
        cluster.location,
        _spark_settings(cluster, java, Path("home")),
        spark,
        worker_resources(experiment),
        cluster.num_workers,
        checkpoint_folder(experiment),
    )


def _plan_capacity(sweep: SweepConfig, cluster: ClusterConfig) -> Any:
    machine = Machine(
        cpus=64, gpus=8, memory=2**40, gpu_memory=2**36, resources={"a": 64.0, "b": 64.0}
    )
    return str(plan(Experiment(name="any", cluster=cluster, sweep=sweep), machine))
