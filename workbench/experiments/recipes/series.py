"""Series with a class: convolutions of several widths, with a linear model of random ones beside them.

The net has the form of InceptionTime (Ismail Fawaz et al. 2020): parallel filters, batch norm, layers
that add to their input, a mean over time; small, since most series are few. The linear model is over what
MiniRocket counts (Dempster et al. 2021) and over all values, and starts as it is fitted to the training
rows (`workbench.training.wide_start`): filters that need no training are strong where rows are few. Of
accuracies on the archive's own test rows, two seeds: ArrowHead 0.70 without it and 0.87 with it,
PickupGestureWiimoteZ 0.65 and 0.81, GunPoint 0.98 and 1.00, ItalyPowerDemand 0.96 and 0.96; a made-up set
lost, with 1.00 and 0.96.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from nets import RNNConfig, SequenceCNNConfig
from workbench.experiments.recipes.facts import (
    Facts,
    Recipe,
    explain_learned,
    one_cycle,
)
from workbench.experiments.recipes.tables import table

_MOST_VALUES = 4_096
"""The random convolutions of longer series take longer than the net's own."""


def series(facts: Facts) -> Recipe:
    """Mean and maximum of each map go to the head (concat pooling, Howard and Ruder 2018)."""
    wide = _wide(facts)
    by_loss: dict[str, Any] = {}
    if facts.num_rows < _FEW and facts.labels is not None:
        # Some dozen validation rows are soon all right: the loss still tells epochs apart.
        by_loss = {"monitor": "validation/loss", "mode": "min"}
    return Recipe(
        net=SequenceCNNConfig(
            channels=(32, 32, 32),
            kernels=_kernels(facts.shape[0]),
            summary="mean_max",
            batch_norm=True,
            dropout=0.3,
            wide=wide,
        ),
        training=one_cycle(
            facts, seen=40_000, fewest=10, most=60, most_batch=64, learning_rate=3e-3, **by_loss
        ),
        why=(
            "Convolutions of several widths (InceptionTime)"
            + (", and beside them a linear model of random ones (MiniRocket)" if wide else "")
            + ".",
            *explain_learned(facts),
        ),
    )


def recurrent(facts: Facts) -> Recipe:
    """The same with a bidirectional GRU, for those who want a recurrent net.

    Of other rows than series: a net that is refused when it is built, and says what it reads.
    """
    if facts.kind != "series":
        return replace(table(facts), net=RNNConfig())
    recipe = series(facts)
    net = RNNConfig(
        cell="gru",
        hidden=64,
        bidirectional=True,
        summary="mean_max",
        dropout=0.3,
        wide=_wide(facts),
    )
    return replace(recipe, net=net)


_FEW = 1_000


def _wide(facts: Facts) -> int:
    return 2 if facts.shape[0] * facts.shape[1] <= _MOST_VALUES else 0


def _kernels(steps: int) -> tuple[int, ...]:
    """A short, a middle and a long filter, as InceptionTime's 10, 20 and 40; none longer than the series."""
    return tuple(sorted({min(kernel, steps) for kernel in (3, 9, 19)}))
