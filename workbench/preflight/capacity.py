"""Estimates the memory and cluster resources of an experiment before anything starts.

Bytes of samples and parameters are exact where the source can count its rows without Spark.
Activations are the outputs of all layers and their gradients: the least that the backward pass
needs. The memory of the processes themselves is a rounded figure.
"""

from __future__ import annotations

import math
import os
import sys
from dataclasses import dataclass, field
from typing import Any

import torch

import nets
from workbench.bridge.cache import BOUND, bound_bytes
from workbench.cluster import ClusterConfig, check_resources, parse_size
from workbench.data import Size, sources
from workbench.errors import ClusterError
from workbench.experiments.experiment import Experiment
from workbench.memory import available_memory

_FLOAT = 4
_STATES = {"sgd": 1, "adam": 2, "adamw": 2, "adagrad": 1, "rmsprop": 2}
"""Values that an optimizer keeps per parameter."""
_PROCESS = 500 * 2**20
"""Bytes of a training process without data: Python, torch, Ray."""
_SERVICES = 2 * 2**30
"""Bytes of the driver, its JVM and Ray's own processes."""
_HEAP_PER_TASK = 64 * 2**20
"""A piece of at most 16 MB on its way from Spark to Ray, and its copies."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Resources of this machine, or of a cluster as far as its settings state them."""

    cpus: float
    gpus: float
    memory: int
    """Bytes free now."""
    gpu_memory: int
    """Bytes of the smallest GPU."""
    resources: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Bytes by part. None: unknown until the data is read."""

    experiment: str
    where: str
    rows: int | None
    row_bytes: int | None
    data_bytes: int | None
    data: str
    """Where the prepared data lies and how workers read it; or why its size is unknown."""
    parameters: int | None
    weights_bytes: int | None
    optimizer_bytes: int | None
    """The optimizer's own values, the gradients and the copy of the best weights."""
    activations_bytes: int | None
    """For one batch on one worker; of a sweep the largest batch."""
    batch_size: int
    worker_bytes: int
    executor_bytes: int
    workers: int
    executors: int
    trials_at_once: int | None
    """None: the size of the cluster is unknown."""
    total_bytes: int
    """Everything together, on this machine."""
    problems: list[str]
    """What does not fit, each with a way out."""
    notes: list[str]


def plan(experiment: Experiment, machine: Machine | None = None) -> Plan:
    """Estimate what an experiment needs. Starts nothing and reads nothing large.

    Args:
        machine: its resources; None: those of this machine or, with a cluster, of its settings.

    Raises:
        ConfigError: the net does not fit the data's shape.
        DataError: the source's files are not there.
    """
    cluster, size = experiment.cluster, sources.size(experiment.data.source)
    machine = machine or (spark_nodes(cluster) if cluster.on_cluster else this_machine(cluster))
    batch = largest_batch(experiment)
    data_bytes = None if size.rows is None or size.spec is None else size.num_bytes
    net = _net(experiment, size, batch)
    on_gpu = cluster.gpus_per_worker > 0
    samples = 0 if size.spec is None else 2 * batch * math.prod(size.spec.shape) * _FLOAT
    whole = on_gpu and _fits_gpu(data_bytes, machine)
    kept = data_bytes if whole and data_bytes else 0
    device_bytes = sum(net[name] or 0 for name in ("weights", "optimizer", "activations"))
    device_bytes += samples + kept
    worker = _PROCESS + (0 if on_gpu else device_bytes)
    heap = parse_size(cluster.executor_memory)
    executor = heap + max(heap // 10, 384 * 2**20)
    trials = None if machine is None else _trials(experiment, machine, worker, executor)
    at_once = max(1, trials or 1) * cluster.num_workers
    total = _SERVICES + cluster.num_executors * executor + at_once * worker
    problems = _heap_problems(cluster, size)
    if machine is not None:
        problems += _problems(experiment, machine, total, device_bytes if on_gpu else 0)
    return Plan(
        experiment=experiment.name,
        where=cluster.location,
        rows=size.rows,
        row_bytes=None if size.spec is None else size.spec.num_bytes,
        data_bytes=data_bytes,
        data=_describe_place(data_bytes, on_gpu, whole, cluster),
        parameters=net["parameters"],
        weights_bytes=net["weights"],
        optimizer_bytes=net["optimizer"],
        activations_bytes=net["activations"],
        batch_size=batch,
        worker_bytes=worker + (device_bytes if on_gpu else 0),
        executor_bytes=executor,
        workers=cluster.num_workers,
        executors=cluster.num_executors,
        trials_at_once=trials,
        total_bytes=total,
        problems=problems,
        notes=size.notes,
    )


def this_machine(cluster: ClusterConfig) -> Machine:
    """CPUs, GPUs and free memory now. Ray gets extra CPUs for the idle executors."""
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    sizes = [torch.cuda.get_device_properties(i).total_memory for i in range(gpus)]
    return Machine(
        cpus=float((os.cpu_count() or 1) + math.ceil(cluster.spark_cpus)),
        gpus=float(gpus),
        memory=available_memory(),
        gpu_memory=min(sizes, default=0),
    )


def spark_nodes(cluster: ClusterConfig) -> Machine | None:
    """All Ray nodes requested from a Spark cluster together; None: their size is not stated."""
    spark = cluster.spark
    if cluster.topology != "spark" or spark.cpus_per_node is None:
        return None
    memory = sys.maxsize if spark.memory_per_node is None else parse_size(spark.memory_per_node)
    return Machine(
        cpus=float(spark.cpus_per_node * spark.max_nodes),
        gpus=float((spark.gpus_per_node or 0) * spark.max_nodes),
        memory=min(memory * spark.max_nodes, sys.maxsize),
        gpu_memory=sys.maxsize,
    )


def largest_batch(experiment: Experiment) -> int:
    """The batch size; of a sweep the largest one."""
    searched = experiment.sweep.space.get("training.batch_size")
    values: list[Any] = [experiment.training.batch_size]
    if searched is not None:
        values += list(searched.values) if searched.kind == "choice" else [searched.high]
    return int(max(v for v in values if isinstance(v, (int, float))))


def _net(experiment: Experiment, size: Size, batch: int) -> dict[str, int | None]:
    """Number of parameters; bytes of weights, optimizer and activations."""
    if size.spec is None:
        return dict.fromkeys(("parameters", "weights", "optimizer", "activations"))
    net = nets.build(experiment.net, size.spec, size.num_outputs)
    parameters = sum(p.numel() for p in net.parameters())
    outputs = sum(math.prod(layer.output_shape) for layer in net.layers())
    states = _STATES.get(experiment.training.optimizer_name, 2)  # of others: as most of them
    return {
        "parameters": parameters,
        "weights": parameters * _FLOAT,
        "optimizer": (states + 2) * parameters * _FLOAT,
        "activations": 2 * batch * outputs * _FLOAT,
    }


def _describe_place(
    data_bytes: int | None, on_gpu: bool, whole: bool, cluster: ClusterConfig
) -> str:
    if data_bytes is None:
        return "unknown until it is read"
    where = "files in the prepared store, mapped by all workers of a machine"
    if cluster.storage is not None:
        bound = bound_bytes()
        each = f"up to {in_words(bound)}" if data_bytes > bound else "all of it"
        where = f"shards in cluster.storage; the cache of each machine takes {each} ({BOUND})"
    if on_gpu:
        where += ", and whole on each GPU" if whole else ", and copied to each GPU batch by batch"
    return where


def _fits_gpu(data_bytes: int | None, machine: Machine | None) -> bool:
    """Data that takes more than half of a GPU's memory is copied there batch by batch."""
    return machine is None or (data_bytes or 0) < machine.gpu_memory / 2


def _trials(experiment: Experiment, machine: Machine, worker: int, executor: int) -> int:
    """How many trainings fit into the CPUs, GPUs, custom resources and memory at once."""
    cluster = experiment.cluster
    each = {"CPU": cluster.cpus_per_worker, "GPU": cluster.gpus_per_worker}
    free = {"CPU": machine.cpus - cluster.spark_cpus, "GPU": machine.gpus} | machine.resources
    each |= cluster.worker_resources
    room = machine.memory - _SERVICES - cluster.num_executors * executor
    fits = [free.get(n, 0) / (a * cluster.num_workers) for n, a in each.items() if a]
    fits.append(room / (worker * cluster.num_workers))
    if (most := experiment.sweep.max_concurrent) is not None:
        fits.append(most)
    return max(0, math.floor(min(fits) + 1e-6))


def _problems(experiment: Experiment, machine: Machine, total: int, device_bytes: int) -> list[str]:
    cluster, problems = experiment.cluster, []
    free = {"CPU": machine.cpus, "GPU": machine.gpus} | machine.resources
    try:
        check_resources(cluster, free)
    except ClusterError as error:
        problems.append(str(error))
    if total > machine.memory:
        ways = ["cluster.num_workers", "cluster.executor_memory", "training.batch_size"]
        problems.append(
            f"The experiment takes {in_words(total)} of memory and {in_words(machine.memory)} are free. Lower "
            f"{', '.join(ways)}, or free some memory."
        )
    if device_bytes and machine.gpus and device_bytes > machine.gpu_memory:
        problems.append(
            f"A worker takes {in_words(device_bytes)} of GPU memory and the GPU has "
            f"{in_words(machine.gpu_memory)}. Lower training.batch_size or the net's size."
        )
    return problems


def _heap_problems(cluster: ClusterConfig, size: Size) -> list[str]:
    """Executors hold a piece of the data for each task, at least one sample."""
    sample = 0 if size.spec is None else 4 * size.spec.num_bytes
    needed = cluster.executor_cores * max(_HEAP_PER_TASK, sample)
    heap = parse_size(cluster.executor_memory)
    if needed <= heap:
        return []
    return [
        f"An executor's {cluster.executor_cores} tasks take {in_words(needed)} of heap and it has "
        f"{in_words(heap)}. Raise cluster.executor_memory, or lower cluster.executor_cores."
    ]


def in_words(num_bytes: int) -> str:
    """1.5 GiB, 12 MiB, 3 KiB."""
    for unit, size in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if num_bytes >= size:
            return f"{num_bytes / size:.3g} {unit}"
    return f"{num_bytes} bytes"
