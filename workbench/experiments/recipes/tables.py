"""Tables: standardised columns into a net of dense layers, with a linear model beside it."""

from __future__ import annotations

from nets import CNNConfig, TrainingConfig
from workbench.experiments.recipes.facts import (
    Facts,
    Recipe,
    batch_of,
    explain_learned,
    learned,
    passes,
)


def table(facts: Facts) -> Recipe:
    """Two dense layers with dropout and a linear skip, the shape of a plain strong net for tables
    (Gorishniy et al. 2021, "Revisiting Deep Learning Models for Tabular Data")."""
    return Recipe(
        net=CNNConfig(blocks=(), dense=(128, 64), activation="relu", dropout=0.2, wide=1),
        training=TrainingConfig(
            epochs=passes(facts.num_rows, 100_000, fewest=10, most=100),
            batch_size=batch_of(facts.num_rows, most=256),
            learning_rate=2e-3,
            optimizer="adamw",
            weight_decay=1e-2,
            schedule="one_cycle",
            clip_norm=1.0,
            **learned(facts),
        ),
        why=(
            "Dense layers over standardised columns, and beside them a linear model.",
            *explain_learned(facts),
        ),
    )
