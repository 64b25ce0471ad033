"""Handwritten digits, 1,797 of 8x8 pixels: as pictures, and read row by row as sequences."""

from __future__ import annotations

from nets import (
    AutoencoderConfig,
    BlockConfig,
    CNNConfig,
    PreparationConfig,
    RNNConfig,
    TrainingConfig,
)
from workbench.data import DataConfig
from workbench.data.sources import DigitsSource
from workbench.experiments.experiment import Experiment
from workbench.experiments.shipped.sweeps import default_sweep


def digits_cnn() -> Experiment:
    """Two blocks of convolutions on 8x8 pictures."""
    return Experiment(
        name="digits_cnn",
        description="8x8 handwritten digits, a small CNN",
        data=DataConfig(source=DigitsSource(layout="image")),
        preparation=PreparationConfig(method="standardize"),
        net=CNNConfig(
            blocks=(BlockConfig(channels=32), BlockConfig(channels=64)),
            dense=(128,),
            activation="relu",
            dropout=0.2,
        ),
        training=TrainingConfig(
            epochs=20,
            batch_size=64,
            learning_rate=3e-3,
            optimizer="adamw",
            weight_decay=1e-2,
            schedule="one_cycle",
        ),
        sweep=default_sweep(),
    )


def digits_rnn() -> Experiment:
    """An LSTM that reads a digit from top to bottom, a row of 8 pixels a step."""
    return Experiment(
        name="digits_rnn",
        description="8x8 handwritten digits read row by row, a bidirectional LSTM",
        data=DataConfig(source=DigitsSource(layout="series")),
        preparation=PreparationConfig(method="standardize"),
        net=RNNConfig(cell="lstm", hidden=64, bidirectional=True, dense=(64,), dropout=0.2),
        training=TrainingConfig(
            epochs=30,
            batch_size=64,
            learning_rate=5e-3,
            optimizer="adamw",
            weight_decay=1e-2,
            schedule="one_cycle",
            clip_norm=1.0,
        ),
        sweep=default_sweep(learning_rate=(1e-4, 3e-2)),
    )


def digits_autoencoder() -> Experiment:
    """Digits squeezed into 16 numbers and drawn again; PCA with 16 axes is what to compare with."""
    return Experiment(
        name="digits_autoencoder",
        description="8x8 handwritten digits through a code of 16 numbers, a dense autoencoder",
        data=DataConfig(source=DigitsSource(layout="image")),
        preparation=PreparationConfig(method="scale"),
        net=AutoencoderConfig(code_size=16, hidden=(256,), activation="gelu"),
        training=TrainingConfig(
            epochs=60,
            batch_size=64,
            learning_rate=5e-3,
            optimizer="adamw",
            schedule="one_cycle",
            loss="mse",
            monitor="validation/loss",
            mode="min",
        ),
        sweep=default_sweep(learning_rate=(3e-4, 3e-2), metric="validation/loss", mode="min"),
    )
