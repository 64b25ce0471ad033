"""What a net learns, and what follows from it: losses, metrics, what decides the best epoch."""

from __future__ import annotations

from enum import StrEnum

from nets.best import Mode


class Task(StrEnum):
    """Classes, measured values, or the net's own input. Its text is recorded in runs."""

    CLASSES = "classes"
    VALUES = "values"
    RECONSTRUCTION = "reconstruction"

    @classmethod
    def of(cls, net_kind: str, *, has_classes: bool) -> Task:
        """The task of a net.

        Args:
            net_kind: its `net.kind`: an autoencoder learns its input, whatever the labels are.
            has_classes: whether the labels are classes.
        """
        if net_kind == "autoencoder":
            return cls.RECONSTRUCTION
        return cls.CLASSES if has_classes else cls.VALUES

    @classmethod
    def by_loss(cls, net_kind: str, loss: object) -> Task | None:
        """The task, as far as the settings say it; None where the data decides: the loss is a person's own.

        Args:
            net_kind: as in `of`.
            loss: its `training.loss`.
        """
        if not isinstance(loss, str) and net_kind != "autoencoder":
            return None
        return cls.of(net_kind, has_classes=loss in cls.CLASSES.losses)

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
