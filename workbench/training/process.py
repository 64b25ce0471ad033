"""A process of the cluster that trains or evaluates: what it holds, and how it is set up."""

from __future__ import annotations

import gc
import platform
from pathlib import Path

import torch

from nets import TrainingConfig
from nets.precision import autocast_dtype
from workbench import heap
from workbench.experiments.experiment import Experiment


def worker_resources(experiment: Experiment) -> dict[str, float]:
    """What one worker holds in Ray's accounts."""
    cluster = experiment.cluster
    gpus = {"GPU": cluster.gpus_per_worker} if cluster.gpus_per_worker else {}
    return {"CPU": cluster.cpus_per_worker, **gpus, **cluster.worker_resources}


def prepare_process(experiment: Experiment) -> None:
    """Make this process one that trains: with as many threads as it holds CPUs, since more would
    take turns on the same cores, and with memory that stays its own."""
    torch.set_num_threads(max(1, round(experiment.cluster.cpus_per_worker)))
    heap.keep_freed_memory()
    if not gc.get_freeze_count():  # once: what is here now stays, and need not be walked through
        gc.freeze()


def describe_use(
    training: TrainingConfig,
    device: torch.device,
    *,
    num_workers: int,
    num_parameters: int,
    steps_per_epoch: int,
) -> dict[str, str]:
    """The tags that say what a training in this process really uses, after every automatic choice.

    Call it where the training runs, after `prepare_process`.

    Args:
        device: where the net is.
        num_workers: workers that train together.
        num_parameters: of the net.
        steps_per_epoch: batches that the net takes in an epoch.
    """
    used = {
        "device": device.type,
        "machine": describe_machine(device),
        "threads": torch.get_num_threads(),
        "precision": describe_precision(training, device),
        "workers": num_workers,
        "steps_per_epoch": steps_per_epoch,
        "parameters": num_parameters,
    }
    return {f"workbench.used.{name}": str(value) for name, value in used.items()}


def describe_precision(training: TrainingConfig, device: torch.device) -> str:
    """The number type of the forward pass, such as bfloat16 or float32."""
    dtype = autocast_dtype(training, device) or torch.float32
    name = str(dtype).removeprefix("torch.")
    if device.type != "cuda" or dtype != torch.float32:
        return name
    # NVIDIA's cards may round the factors of a product to 10 bits: PyTorch's default for convolutions.
    rounded = {
        "convolutions": torch.backends.cudnn.allow_tf32,
        "matrix products": torch.backends.cuda.matmul.allow_tf32,
    }
    parts = [part for part, on in rounded.items() if on]
    return f"{name}, {' and '.join(parts)} in tf32" if parts else name


def describe_machine(device: torch.device) -> str:
    """The kind of processor: on two of the same kind, the same steps give the same digits."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    capability = torch.backends.cpu.get_cpu_capability()
    return f"{_read_cpu_model() or platform.processor() or platform.machine()}, {capability}"


def _read_cpu_model() -> str | None:
    """The model's name as Linux gives it; None elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
    except OSError:
        return None
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else None
