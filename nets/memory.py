"""A step that does not fit the device's memory, in words, with a batch that would fit."""

from __future__ import annotations

import gc
from collections.abc import Callable

import torch

from nets.batches import Batch, map_tensors
from nets.errors import MemoryFullError

_GIB = 2**30


def is_full(error: RuntimeError) -> bool:
    """Whether PyTorch could not get memory, on a GPU or on the CPU."""
    on_cpu = "DefaultCPUAllocator" in str(error)  # a RuntimeError without a class of its own
    return isinstance(error, torch.OutOfMemoryError) or on_cpu


def explain(
    batch: Batch, device: torch.device, try_step: Callable[[Batch], object] | None
) -> MemoryFullError:
    """The error for a person. Call it outside of the `except`, which keeps the step's tensors.

    Args:
        batch: of the step that did not fit.
        try_step: a step without consequences, tried on half as many rows until one fits; None where
            other workers would wait for it.
    """
    rows = len(batch.label) if batch.share is None else batch.share.of
    fitting = None if try_step is None else _find_fitting(batch, device, try_step)
    if try_step is None:
        advice = f"Set training.batch_size to {max(rows // 2, 1)}, or use more workers"
    elif fitting is None:
        advice = "A step of one row does not fit either: use a smaller net"
    else:
        advice = f"A step of {fitting} rows fits: set training.batch_size to {fitting}"
    return MemoryFullError(
        f"The memory of {_describe(device)} is full in a step of {rows} rows "
        f"(training.batch_size). {advice}, a smaller net, or smaller samples."
    )


def _find_fitting(
    batch: Batch, device: torch.device, try_step: Callable[[Batch], object]
) -> int | None:
    """The largest half, quarter, eighth, ... of the batch's rows whose step fits; None: not even one."""
    rows = len(batch.label) // 2
    while rows:
        _free(device)
        try:
            try_step(map_tensors(batch, lambda x, rows=rows: x[:rows]))  # type: ignore[misc]
        except RuntimeError as error:
            if not is_full(error):
                raise
        else:
            return rows
        rows //= 2
    return None


def _free(device: torch.device) -> None:
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


def _describe(device: torch.device) -> str:
    if device.type != "cuda":
        return "this machine"
    free, total = torch.cuda.mem_get_info(device)
    own = torch.cuda.memory_reserved(device)
    others = total - free - own
    text = f"{torch.cuda.get_device_name(device)}, {total / _GIB:.1f} GiB"
    if others > 0.1 * total:
        text += f" of which other programs hold {others / _GIB:.1f},"
    return text
