"""Forecasts: a linear forecast of the change since the last step, and a GRU beside it.

A linear map of the window beats many nets (Zeng et al. 2023, "Are Transformers Effective for Time
Series Forecasting?"), and subtracting the last value (their NLinear) lets it hold on levels that were
not seen in training, as reversible instance normalisation does (Kim et al. 2022). It starts as a ridge
regression that is fitted to the training rows (`workbench.training.wide_start`), towards the last season
where that is better; the net learns what is not linear.
"""

from __future__ import annotations

from nets import RNNConfig
from nets.prepare import PreparationConfig
from workbench.experiments.recipes.facts import Facts, Recipe, one_cycle

_FEW = 300
"""Windows that overlap say far less than as many rows. With 60 to 130 of them, a net of 32 units lost what
the linear forecast had: its error was up to 1.6 times that of the best baseline; with `_few_windows` it is
0.99 to 1.04 times on seven series of 60 to 190. With 450 to 560 windows the larger net loses little and gains
much where a series is not linear (0.03 times on a made-up one)."""


def forecast(facts: Facts) -> Recipe:
    """What is learned is the change since the last step, from steps relative to the last one."""
    if facts.num_rows < _FEW:
        return _few_windows(facts)
    return Recipe(
        net=RNNConfig(cell="gru", hidden=32, dropout=0.2, wide=1, relative=True),
        training=one_cycle(
            facts, seen=25_000, fewest=6, most=30, most_batch=64, learning_rate=1e-3, patience=4
        ),
        preparation=PreparationConfig(method="standardize", targets="change"),
        why=(
            "A GRU, and beside it a linear forecast (DLinear, NLinear: Zeng 2023), both of the change "
            "since the last step.",
        ),
    )


def _few_windows(facts: Facts) -> Recipe:
    """A small GRU, much dropout and weight decay, few small steps: near the linear forecast."""
    return Recipe(
        net=RNNConfig(cell="gru", hidden=8, dropout=0.5, wide=1, relative=True),
        training=one_cycle(
            facts,
            seen=25_000,
            fewest=6,
            most=10,
            most_batch=64,
            learning_rate=3e-4,
            weight_decay=0.1,
            patience=4,
        ),
        preparation=PreparationConfig(method="standardize", targets="change"),
        why=(
            "The windows are few: a linear forecast of the change since the last step (DLinear, NLinear: "
            "Zeng 2023), and a small GRU beside it.",
        ),
    )
