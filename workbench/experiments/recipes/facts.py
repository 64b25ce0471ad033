"""What a recipe follows from, and what it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from nets import NetConfig, PreparationConfig, TrainingConfig
from nets.task import Task

SampleKind = Literal["image", "series", "tokens", "vector", "sound"]


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known of the rows before a training."""

    kind: SampleKind
    """`TensorSpec.kind`."""
    shape: tuple[int, ...]
    """`TensorSpec.shape`: channels, height, width; steps, channels; steps; features; samples."""
    num_rows: int
    """Rows to train on, about."""
    labels: tuple[str, ...] | None
    """Class names; None: values are learned."""
    class_counts: tuple[int, ...] = ()
    """Training rows of each class, where they were counted."""
    forecast: bool = False
    """The values are later steps of the series' own channels."""
    words_a_text: float | None = None
    """Text: tokens of a text, on average, where they were counted."""
    rate: int | None = None
    """Sound: samples a second."""

    @property
    def uneven(self) -> float:
        """Rows of the largest class, divided by those of the smallest that has any; 1 where unknown."""
        counts = [count for count in self.class_counts if count]
        return max(counts) / min(counts) if counts else 1.0


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The parts of an experiment that follow from the data."""

    net: NetConfig
    training: TrainingConfig
    preparation: PreparationConfig = field(default_factory=PreparationConfig)
    heavy: bool = False
    """Minutes of work: a second core is worth it."""
    why: tuple[str, ...] = ()
    """What was chosen for what reason, a sentence each."""


def facts_of(
    spec: Mapping[str, Any],
    labels: Sequence[str] | None,
    num_rows: int,
    *,
    class_counts: Sequence[int] = (),
    forecast: bool = False,
    figures: Mapping[str, Any] | None = None,
) -> Facts:
    """Facts from the figures that `describe` of `workbench.preflight` gives.

    Args:
        spec: kind and shape of a sample (`Description.spec`).
        num_rows, class_counts: of the training split.
        forecast: whether the source has targets of a series.
        figures: `Description.figures`: of text, the mean of `length` counts.
    """
    length = (figures or {}).get("length")
    return Facts(
        kind=spec["kind"],
        shape=tuple(spec["shape"]),
        num_rows=num_rows,
        labels=None if labels is None else tuple(labels),
        class_counts=tuple(class_counts),
        forecast=forecast,
        words_a_text=length["mean"] if length and spec["kind"] == "tokens" else None,
        rate=spec.get("rate"),
    )


def passes(num_rows: int, seen: int, *, fewest: int, most: int) -> int:
    """Epochs in which about `seen` rows are seen: few rows are seen more often than many."""
    return max(fewest, min(most, round(seen / max(1, num_rows))))


def batch_of(num_rows: int, *, most: int, fewest: int = 16) -> int:
    """A power of two that leaves some 100 steps an epoch, within bounds."""
    size = fewest
    while size * 2 <= most and num_rows // (size * 2) >= 100:
        size *= 2
    return size


def learned(facts: Facts) -> dict[str, Any]:
    """Loss, monitor and class weights, by the task and how even the classes are."""
    if facts.labels is None:
        task = Task.VALUES
        return {"loss": task.losses[0], "monitor": task.monitor, "mode": task.mode}
    if facts.uneven < _UNEVEN:
        return {}
    return {"class_weights": "square_root", "monitor": "validation/macro_f1"}


_UNEVEN = 5.0
"""From this ratio on, accuracy hides small classes. The square root of the inverse frequency is the
middle between none and full weights (as word2vec's and mBERT's sampling has it)."""


def one_cycle(
    facts: Facts,
    *,
    seen: int,
    fewest: int,
    most: int,
    most_batch: int,
    learning_rate: float,
    weight_decay: float = 1e-2,
    **more: Any,
) -> TrainingConfig:
    """AdamW on one cycle (Smith 2018), with clipped gradients (Pascanu et al. 2013).

    Args:
        seen, fewest, most: as in `passes`.
        most_batch: as `most` in `batch_of`.
        more: other settings; they win over those of `learned`.
    """
    return TrainingConfig(
        epochs=passes(facts.num_rows, seen, fewest=fewest, most=most),
        batch_size=batch_of(facts.num_rows, most=most_batch),
        learning_rate=learning_rate,
        optimizer="adamw",
        weight_decay=weight_decay,
        schedule="one_cycle",
        clip_norm=1.0,
        **learned(facts) | more,
    )


def explain_learned(facts: Facts) -> list[str]:
    """Sentences for `learned`."""
    if facts.labels is None or facts.uneven < _UNEVEN:
        return []
    return [
        f"The largest class has {facts.uneven:.0f} times the rows of the smallest: classes are weighted "
        "(training.class_weights square_root), and epochs are compared by macro F1."
    ]
