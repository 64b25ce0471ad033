"""Series with a class: convolutions of several widths, with a linear model of all steps beside them.

The form is InceptionTime's (Ismail Fawaz et al. 2020): parallel filters, batch norm, layers that add to
their input, a mean over time; small, since most series are few. The maximum stands beside the mean, as
ROCKET (Dempster et al. 2020) counts how strongly a filter answers anywhere.
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

_LINEAR_VALUES = 4_096
"""Longer series have more weights in the linear part than rows to learn them from."""


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
            + (", and beside them a linear model of all steps" if wide else "")
            + ".",
            *explain_learned(facts),
        ),
    )


def recurrent(facts: Facts) -> Recipe:
    """The same with a bidirectional GRU, for those who want a recurrent net."""
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
    return int(facts.shape[0] * facts.shape[1] <= _LINEAR_VALUES)


def _kernels(steps: int) -> tuple[int, ...]:
    """A short, a middle and a long filter, as InceptionTime's 10, 20 and 40; none longer than the series."""
    return tuple(sorted({min(kernel, steps) for kernel in (3, 9, 19)}))
