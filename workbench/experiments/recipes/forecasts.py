"""Forecasts: a linear forecast of the change since the last step, and a GRU beside it.

A linear map of the window beats many nets (Zeng et al. 2023, "Are Transformers Effective for Time
Series Forecasting?"), and subtracting the last value (their NLinear) lets it hold on levels that were
not seen in training, as reversible instance normalisation does (Kim et al. 2022). It can repeat the
last season by itself; the net learns what is not linear.
"""

from __future__ import annotations

from nets import RNNConfig
from nets.prepare import PreparationConfig
from workbench.experiments.recipes.facts import Facts, Recipe, one_cycle


def forecast(facts: Facts) -> Recipe:
    """What is learned is the change since the last step, from steps relative to the last one."""
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
