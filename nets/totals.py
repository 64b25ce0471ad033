"""What the steps of an epoch add up to: over several workers, and in a training that goes on."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from nets.workers import add_up, world_size


class EpochTotals:
    """Sums over the steps of an epoch, on the device between two checks of the loss."""

    def __init__(
        self,
        steps: int = 0,
        rows: int = 0,
        merged_loss: float = 0.0,
        merged_right: int | None = None,
        norms: Tensor | None = None,
        rate: float = 0.0,
        seconds: float = 0.0,
    ) -> None:
        self.steps, self.rows, self.rate, self.seconds = steps, rows, rate, seconds
        self.merged_loss, self.merged_right = merged_loss, merged_right
        """Sums of all workers, up to the last `merge`; None: there are no classes."""
        self.loss = 0.0
        self.right: Tensor | None = None
        self.norms = [] if norms is None else list(norms)
        self.pending: list[tuple[Tensor, int, float, float]] = []
        """Loss of a step, its rows, its learning rate, when it was taken: not yet checked and added."""

    def add(
        self,
        rate: float,
        loss: Tensor,
        rows: int,
        right: Tensor | None,
        norm: Tensor | None,
        at: float,
    ) -> None:
        """Add a step.

        Args:
            loss: as the gradient was taken of it.
            rows: of the batch, over all workers.
            at: when it was taken, of `time.perf_counter`.
            right: this worker's rows that were classified right; None where there are no classes.
        """
        self.pending.append((loss, rows, rate, at))
        self.rate = rate
        self.steps += 1
        self.rows += rows
        if norm is not None:
            self.norms.append(norm)
        if right is not None:
            self.right = right if self.right is None else self.right + right

    def merge(self, device: torch.device) -> None:
        """Make the sums those of all workers; each of them calls it."""
        own = [self.loss / world_size(), float(self.right or 0), float(self.right is not None)]
        loss, right, has_classes = add_up(
            torch.tensor(own, dtype=torch.float64, device=device)
        ).tolist()
        self.merged_loss += loss
        if has_classes:
            self.merged_right = (self.merged_right or 0) + round(right)
        self.loss, self.right = 0.0, None

    def metrics(self) -> dict[str, float]:
        """Means over the rows of all workers, up to the last `merge`."""
        metrics = {"train/loss": self.merged_loss / self.rows, "learning_rate": self.rate}
        if self.merged_right is not None:
            metrics["train/accuracy"] = self.merged_right / self.rows
        norms = torch.stack(self.norms) if self.norms else torch.empty(0)
        norms = norms[norms != -1]  # -1: the step was left out, see `nets.precision`
        if len(norms):
            metrics["gradient_norm"] = float(norms.mean())
        metrics["samples_per_s"] = self.rows / self.seconds
        return metrics

    def state_dict(self) -> dict[str, Any]:
        """As the arguments of a new one."""
        assert not self.pending and self.right is None, "sums are merged before the state is taken"
        return {
            "steps": self.steps,
            "rows": self.rows,
            "merged_loss": self.merged_loss,
            "merged_right": self.merged_right,
            "norms": torch.stack(self.norms).cpu() if self.norms else None,
            "rate": self.rate,
            "seconds": self.seconds,
        }
