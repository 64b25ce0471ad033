"""Trainings on a few batches, which show that everything runs or that a net can learn: they are marked."""

from __future__ import annotations

from collections.abc import Sequence

from nets import ConfigError, TrainingConfig

TAG = "workbench.partial"
"""The tag of a run whose figures are of a few batches."""
_LEARNED = 0.1
"""Share of the first epoch's loss that is left where a few batches are learned by heart."""


def list_limits(training: TrainingConfig) -> list[str]:
    """The settings that make a training partial, with their values; empty for a whole one."""
    names = ("overfit_batches", "limit_batches")
    values = {name: getattr(training, name) for name in names}
    return [f"training.{name} {value}" for name, value in values.items() if value is not None]


def describe_partial(training: TrainingConfig) -> str | None:
    """The note on a partial training; None for a whole one."""
    limits = " and ".join(list_limits(training))
    if not limits:
        return None
    if training.limit_batches is None:
        return f"{limits}: every epoch trains on the same few rows, so that they can be learned by heart. No result of a net."
    return f"{limits}: a few batches of each split stand for all of it. The figures are no result of a net."


def refuse_partial(training: TrainingConfig, what: str) -> None:
    """Refuse a partial training where figures are compared.

    Args:
        what: a sweep, ...

    Raises:
        ConfigError: it is one.
    """
    if limits := " and ".join(list_limits(training)):
        raise ConfigError(
            f"{what} compares figures, and those of a few batches say nothing, got {limits}. Leave it out, "
            "or use `workbench train`."
        )


def judge_partial(training: TrainingConfig, history: Sequence[dict[str, float]]) -> str | None:
    """What a partial training has shown, in place of verdicts; None for a whole one."""
    if not list_limits(training):
        return None
    if training.overfit_batches is None or not history:
        return "Everything ran, on a few batches of each split. The figures are no result of a net."
    first, last = history[0]["train/loss"], history[-1]["train/loss"]
    how = f"the training loss went from {first:.3g} to {last:.3g} in {len(history)} epochs"
    if last <= _LEARNED * first or history[-1].get("train/accuracy", 0.0) >= 0.99:
        return f"The net learns {training.overfit_batches} batches by heart: {how}."
    return (
        f"The net does not learn {training.overfit_batches} batches by heart: {how}. Try more epochs, another "
        "learning rate, and no dropout or augmentation; else look for a fault in the net, its loss or the labels."
    )
