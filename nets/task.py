"""What a net learns, and what follows from it: losses, metrics, what decides the best epoch."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol

from nets.best import Mode


class Learns(Protocol):
    """What is asked of a net, its configuration or its record, to know its task."""

    @property
    def reconstructs(self) -> bool:
        """Whether it learns to give its own input back, whatever the labels are."""


class Task(StrEnum):
    """Classes, measured values, or the net's own input. Its text is recorded in runs."""

    CLASSES = "classes"
    VALUES = "values"
    RECONSTRUCTION = "reconstruction"

    @classmethod
    def of(cls, net: Learns, *, has_classes: bool) -> Task:
        """The task of a net.

        Args:
            has_classes: whether the labels are classes.
        """
        if net.reconstructs:
            return cls.RECONSTRUCTION
        return cls.CLASSES if has_classes else cls.VALUES

    @classmethod
    def by_loss(cls, net: Learns, loss: object) -> Task | None:
        """The task, as far as the settings say it; None where the data decides: the loss is a person's own.

        Args:
            loss: its `training.loss`.
        """
        if not isinstance(loss, str) and not net.reconstructs:
            return None
        return cls.of(net, has_classes=loss in cls.CLASSES.losses)

    @property
    def has_classes(self) -> bool:
        """Whether outputs are logits and labels class indices."""
        return self is Task.CLASSES

    @property
    def reconstructs(self) -> bool:
        """Whether the target is the net's own input: there are no labels to learn."""
        return self is Task.RECONSTRUCTION

    @property
    def losses(self) -> tuple[str, ...]:
        """The values of `training.loss` that it can be learned by, the usual one first."""
        return ("cross_entropy", "focal") if self.has_classes else ("mse",)

    def takes(self, loss: object) -> bool:
        """Whether it can be learned by this `training.loss`; one of a person's own is tried elsewhere."""
        return not isinstance(loss, str) or loss in self.losses

    @property
    def metrics(self) -> tuple[str, ...]:
        """What an evaluation measures beside the loss."""
        return {
            Task.CLASSES: ("accuracy", "macro_f1", "calibration_error"),
            Task.VALUES: ("mse", "mae", "r2"),
            Task.RECONSTRUCTION: (),
        }[self]

    @property
    def monitor(self) -> str:
        """The metric that usually decides which epoch is the best."""
        return "validation/accuracy" if self.has_classes else "validation/loss"

    @property
    def mode(self) -> Mode:
        """Whether more or less of `monitor` is better."""
        return "max" if self.has_classes else "min"
