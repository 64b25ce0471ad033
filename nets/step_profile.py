"""What the time of an epoch is spent on, and one sentence of advice."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

import torch

T = TypeVar("T")

_STEPS = ("copy", "forward", "backward", "step")
PARTS = ("data", *_STEPS, "evaluation", "other")
"""data: waiting for the rows of a batch; copy: to the device; forward: with augmentation and loss; backward;
step: from gradients to changed weights; evaluation: of validation rows; other: the rest of the training."""
PREFIX = "profile/"
_EVERY_ON_GPU = 8
"""Steps between two that are measured on a GPU: the host waits for the device around each part."""
_NOTHING = contextlib.nullcontext()


class StepProfile:
    """Seconds of the parts of a training's steps, since the last `take`.

    Args:
        active: False: nothing is measured, at no cost.
    """

    def __init__(self, device: torch.device, *, active: bool) -> None:
        self._device, self._active = device, active
        self._every = _EVERY_ON_GPU if device.type == "cuda" else 1
        self._measures = False
        self._clear()

    def _clear(self) -> None:
        self._seconds = dict.fromkeys(("data", *_STEPS), 0.0)
        self._total = 0.0
        self._steps = self._measured = 0

    def watch(self, batches: Iterable[T]) -> Iterator[T]:
        """The batches; waiting for them is measured."""
        if not self._active:
            yield from batches
            return
        began = time.perf_counter()
        for batch in batches:
            self._seconds["data"] += time.perf_counter() - began
            self._measures = self._steps % self._every == 0
            self._steps += 1
            self._measured += self._measures
            yield batch
            self._measures = False
            began = time.perf_counter()

    def part(self, name: str) -> contextlib.AbstractContextManager[None]:
        """A part of a step, within the block."""
        return self._measure(name) if self._measures else _NOTHING

    @contextlib.contextmanager
    def _measure(self, name: str) -> Iterator[None]:
        self._wait()
        began = time.perf_counter()
        try:
            yield
        finally:
            self._wait()
            self._seconds[name] += time.perf_counter() - began

    def _wait(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)

    def add_total(self, seconds: float) -> None:
        """All of the training that is under way took so long."""
        self._total += seconds

    def take(self, evaluation: float) -> dict[str, float]:
        """Shares of an epoch by part, which add up to 1; empty where nothing was measured.

        Args:
            evaluation: seconds of the epoch's evaluation.
        """
        seconds, total, measured = self._seconds, self._total, self._measured
        steps = self._steps
        self._clear()
        if not measured:
            return {}
        left = max(0.0, total - seconds["data"])
        parts = {name: seconds[name] * steps / measured for name in _STEPS}
        # Steps that were not measured on a GPU overlap, so that they take less.
        scale = min(1.0, left / max(sum(parts.values()), 1e-12))
        parts = {name: value * scale for name, value in parts.items()}
        parts |= {"data": seconds["data"], "evaluation": evaluation}
        parts["other"] = max(0.0, left - sum(parts[name] for name in _STEPS))
        whole = max(sum(parts.values()), 1e-12)
        return {f"{PREFIX}{name}": parts[name] / whole for name in PARTS}


def describe_profile(history: Sequence[Mapping[str, float]]) -> str | None:
    """The shares of the parts over the epochs, and what to do about the largest one.

    Args:
        history: the metrics of each epoch; the first one, which warms up, is left out where there are others.
    """
    rows = [one for one in history if f"{PREFIX}data" in one]
    rows = rows[1:] or rows
    if not rows:
        return None
    shares = {name: sum(one[PREFIX + name] for one in rows) / len(rows) for name in PARTS}
    texts = ", ".join(f"{name} {share:.0%}" for name, share in shares.items())
    return f"Time of an epoch: {texts}. {advise(shares)}"


def advise(shares: Mapping[str, float]) -> str:
    """One sentence on the part that takes longest; forward and backward pass are the net.

    Args:
        shares: of `PARTS`.
    """
    net = shares["forward"] + shares["backward"]
    parts = {name: shares[name] for name in ("data", "copy", "step", "evaluation", "other")}
    largest = max(parts | {"net": net}, key=lambda name: (parts | {"net": net})[name])
    if largest == "net":
        if shares["forward"] > 2 * shares["backward"]:
            return (
                f"The forward pass takes {shares['forward']:.0%}, far longer than the backward pass: look for "
                "loops and work on the CPU in layers, augmentation and losses of your own."
            )
        return (
            f"The net itself takes {net:.0%}: only a smaller one, training.precision=bfloat16, "
            "training.compile=true or more workers (cluster.num_workers) make the training much faster."
        )
    return f"{_SENTENCES[largest][0]} {parts[largest]:.0%}: {_SENTENCES[largest][1]}."


_SENTENCES = {
    "data": (
        "Waiting for rows takes",
        "keep the prepared data on a faster disk or in more memory; of cluster.storage raise "
        "WORKBENCH_CACHE_GB",
    ),
    "copy": (
        "Copying batches to the device takes",
        "raise training.batch_size, or use a GPU whose memory holds the training rows",
    ),
    "step": (
        "Changing the weights takes",
        "raise training.batch_size or training.accumulate, or choose a cheaper training.optimizer",
    ),
    "evaluation": (
        "Evaluation takes",
        "evaluate less often (training.epoch_rows), hold fewer rows out (data.split), or leave out "
        "metrics of your own",
    ),
    "other": (
        "What lies around the steps takes",
        "look at training.callbacks, set training.health=false, or raise training.batch_size",
    ),
}
