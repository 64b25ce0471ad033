"""Series: who is speaking, and how warm a transformer's oil will be."""

from __future__ import annotations

from nets import PreparationConfig, RNNConfig, TrainingConfig
from workbench.data import DataConfig, SplitConfig
from workbench.data.sources import SeriesSource, TsFileSource
from workbench.experiments.experiment import Experiment
from workbench.experiments.shipped.sweeps import default_sweep


def japanese_vowels() -> Experiment:
    """A bidirectional GRU that tells nine speakers apart by two vowels, 7 to 29 steps of 12 channels.

    270 utterances to learn from, 370 to be tested on (Kudo et al. 1999). Get `JapaneseVowels` from
    https://www.timeseriesclassification.com and say where its .ts files are:
    `--set data.source.path=FOLDER`.
    """
    return Experiment(
        name="japanese_vowels",
        description="Speakers by their vowels, series of varying length (needs --set data.source.path=FOLDER)",
        data=DataConfig(
            source=TsFileSource(path="JapaneseVowels"),
            split=SplitConfig(validation=0.1, test=0),
        ),
        preparation=PreparationConfig(method="standardize"),
        net=RNNConfig(cell="gru", hidden=64, bidirectional=True, summary="max", dropout=0.3),
        training=TrainingConfig(
            epochs=40,
            batch_size=16,
            learning_rate=3e-3,
            optimizer="adamw",
            weight_decay=1e-2,
            schedule="one_cycle",
            clip_norm=1.0,
            # 27 rows are soon all right: the loss still tells epochs apart.
            monitor="validation/loss",
            mode="min",
        ),
        sweep=default_sweep(
            learning_rate=(3e-4, 3e-2),
            batch_size=(8, 16, 32),
            activation=None,
            metric="validation/loss",
            mode="min",
        ),
    )


def etth1() -> Experiment:
    """A GRU that forecasts a transformer's oil temperature over the next 24 hours from the last 96.

    17,420 hours of seven measurements (Zhou et al. 2021); the last fifth is the test set. The run
    has the errors of two forecasts without a net beside the net's own: that nothing changes
    (baseline/last_value) and that yesterday comes again (baseline/last_season). Get `ETTh1.csv`
    from https://github.com/zhouhaoyi/ETDataset and say where it is:
    `--set data.source.path=FILE`.
    """
    return Experiment(
        name="etth1",
        description="The next 24 hours of a transformer's oil temperature (needs --set data.source.path=FILE)",
        data=DataConfig(
            source=SeriesSource(
                path="ETTh1.csv",
                time_column="date",
                targets=("OT",),
                length=96,
                horizon=24,
                stride=4,
                season=24,
            ),
            split=SplitConfig(by="time", validation=0.2, test=0.2),
        ),
        preparation=PreparationConfig(method="standardize", targets="change"),
        net=RNNConfig(cell="gru", hidden=64, dropout=0.2),
        training=TrainingConfig(
            epochs=6,
            batch_size=64,
            learning_rate=1e-3,
            optimizer="adamw",
            weight_decay=1e-2,
            schedule="one_cycle",
            clip_norm=1.0,
            loss="mse",
            monitor="validation/loss",
            mode="min",
        ),
        sweep=default_sweep(
            learning_rate=(1e-4, 1e-2), activation=None, metric="validation/loss", mode="min"
        ),
    )
