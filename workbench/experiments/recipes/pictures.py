"""Pictures: a residual net, or a small CNN where they are small or few."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from nets import BlockConfig, CNNConfig, TrainingConfig, fast_resnet
from nets.augment import AugmentConfig
from workbench.experiments.recipes.facts import (
    Facts,
    Recipe,
    batch_of,
    explain_learned,
    learned,
    one_cycle,
    passes,
)

_RESIDUAL_SIDE, _RESIDUAL_ROWS = 16, 2_000
_WIDTH = 16
"""Channels of the stem, chosen by what it costs: a net of 32 takes 3.5 times as long a row, and two cores
have ten minutes for few passes of it. Which of a narrow net with more passes and a wide one with few
reaches more was not measured."""
_SEEN_GREY, _SEEN_COLOUR = 500_000, 720_000
"""Rows that are seen in all passes. Pictures in colours vary more, and are seen more often."""
_NUMBERS = {"zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"}
_SIDES = ("left", "right")


def pictures(facts: Facts) -> Recipe:
    """A residual net where pictures are large and many enough, else `small_cnn`."""
    _, height, width = facts.shape
    if min(height, width) < _RESIDUAL_SIDE or facts.num_rows < _RESIDUAL_ROWS:
        return small_cnn(facts)
    augment = choose_augmentation(facts)
    seen = _SEEN_COLOUR if facts.shape[0] >= 3 else _SEEN_GREY
    fast = _computes_bfloat16()
    smooth = _SMOOTH if facts.labels is not None else {}
    return Recipe(
        net=fast_resnet(_WIDTH),  # the ResNet-9 shape (Page 2018): minutes on two cores
        training=TrainingConfig(
            epochs=passes(facts.num_rows, seen, fewest=8, most=40),
            batch_size=batch_of(facts.num_rows, most=128),
            learning_rate=0.2,
            optimizer="sgd",
            weight_decay=5e-4,
            schedule="one_cycle",
            precision="bfloat16" if fast else "auto",
            augment=augment,
            **smooth | learned(facts),
        ),
        heavy=True,
        why=(
            "A fast residual net"
            + (", in bfloat16, which this CPU computes twice as fast." if fast else "."),
            _explain(augment),
            *explain_learned(facts),
        ),
    )


def small_cnn(facts: Facts) -> Recipe:
    """Blocks of convolution and pooling; beside them, for small pictures, a linear model of all pixels."""
    channels, height, width = facts.shape if facts.kind == "image" else (1, 8, 8)
    augment = choose_augmentation(facts)
    return Recipe(
        net=CNNConfig(
            blocks=choose_blocks(min(height, width)),
            dense=(128,),
            activation="relu",
            dropout=0.2,
            # Of large pictures a linear part has more weights than the net.
            wide=int(facts.kind == "image" and channels * height * width <= 1_024),
        ),
        training=one_cycle(
            facts,
            seen=60_000,
            fewest=10,
            most=60,
            most_batch=128,
            learning_rate=3e-3,
            augment=augment,
        ),
        why=(
            "A small convolutional net.",
            _explain(augment),
            *_offer_pretrained(facts),
            *explain_learned(facts),
        ),
    )


def _offer_pretrained(facts: Facts) -> tuple[str, ...]:
    """Said, never chosen: the weights are in a package of their own."""
    if facts.kind != "image" or facts.shape[0] != 3 or facts.num_rows >= _RESIDUAL_ROWS:
        return ()
    return (
        "The pictures are few: a pretrained net may help (training.start_from efficientnet_lite0, in the "
        "manual's page on own parts).",
    )


def choose_augmentation(facts: Facts) -> AugmentConfig:
    """Shifts by an eighth of a side (He et al. 2016: 4 of 32); mirrored where no side has a meaning."""
    if facts.kind != "image":
        return AugmentConfig()
    channels, height, width = facts.shape
    flip = channels >= 3 and not _reads_sides(facts.labels)
    return AugmentConfig(flip=flip, crop=min(height, width) // 8)


@functools.cache
def _computes_bfloat16() -> bool:
    """Whether this machine's CPU has instructions for bfloat16 (AVX-512 BF16, AMX)."""
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


def _explain(augment: AugmentConfig) -> str:
    side = "mirrored" if augment.flip else "not mirrored, as a side may have a meaning"
    return f"In training, pictures are shifted by up to {augment.crop} pixels and {side}."


_SMOOTH: dict[str, Any] = {"label_smoothing": 0.1}
"""Szegedy et al. 2016; in every fast trainer of CIFAR-10."""


def choose_blocks(side: int) -> tuple[BlockConfig, ...]:
    """Blocks that halve the map down to 2 to 4 pixels."""
    count = 1
    while side // 2 ** (count + 1) >= 2 and count < 4:
        count += 1
    return tuple(BlockConfig(channels=min(128, 32 * 2**number)) for number in range(count))


def _reads_sides(labels: tuple[str, ...] | None) -> bool:
    """Whether classes are digits, letters or directions, which a mirror changes; values may be, too."""
    if labels is None:
        return True
    names = [label.strip().lower() for label in labels]
    return (
        all(len(name) == 1 or name.isdigit() for name in names)
        or set(names) <= _NUMBERS
        or any(side in name.split() for name in names for side in _SIDES)
    )
