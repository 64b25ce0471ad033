"""Text: the sentiment of film reviews, and the language of surnames."""

from __future__ import annotations

from nets import PreparationConfig, RNNConfig, TrainingConfig
from workbench.data import DataConfig, SplitConfig
from workbench.data.sources import TextSource
from workbench.experiments.experiment import Experiment
from workbench.experiments.shipped.sweeps import default_sweep


def rt_polarity() -> Experiment:
    """A bidirectional GRU that tells good reviews from bad ones, word by word, from scratch.

    10,662 sentences (Pang & Lee 2005). Get `rt-polaritydata` from
    https://www.cs.cornell.edu/people/pabo/movie-review-data/ and say where `rt-polarity.neg` and
    `rt-polarity.pos` are: `--set data.source.path=FOLDER`. Kim (2014) reached 76.1 % with
    convolutions and no pretrained vectors.
    """
    return Experiment(
        name="rt_polarity",
        description="Film reviews, a bidirectional GRU over words (needs --set data.source.path=FOLDER)",
        data=DataConfig(
            source=TextSource(
                path="rt-polaritydata",
                files="rt-polarity.*",
                encoding="latin-1",
                tokenizer="words",
                max_length=40,
            ),
            split=SplitConfig(validation=0.1, test=0.1),
        ),
        preparation=PreparationConfig(method="none"),
        net=RNNConfig(
            cell="gru", hidden=64, bidirectional=True, summary="mean", embedding=100, dropout=0.5
        ),
        training=TrainingConfig(
            epochs=8,
            batch_size=50,
            learning_rate=2e-3,
            optimizer="adamw",
            weight_decay=1e-2,
            clip_norm=1.0,
        ),
        sweep=default_sweep(learning_rate=(3e-4, 1e-2), activation=None),
    )


def names() -> Experiment:
    """A bidirectional GRU that tells the language of a surname, letter by letter.

    20,050 surnames in 18 languages, from 73 Vietnamese ones to 9,384 Russian: what counts is the
    mean F1 over the languages, and each counts in the loss by the inverse square root of its rows.
    Get `data/names` of https://github.com/spro/practical-pytorch and say where it is:
    `--set data.source.path=FOLDER`.
    """
    return Experiment(
        name="names",
        description="Surnames of 18 languages by their letters, very uneven classes (needs --set data.source.path=FOLDER)",
        data=DataConfig(
            source=TextSource(
                path="names",
                files="*.txt",
                tokenizer="characters",
                lowercase=False,
                max_length=20,
            ),
            split=SplitConfig(validation=0.1, test=0.2),
        ),
        preparation=PreparationConfig(method="none"),
        net=RNNConfig(
            cell="gru", hidden=128, bidirectional=True, summary="max", embedding=32, dropout=0.3
        ),
        training=TrainingConfig(
            epochs=10,
            batch_size=64,
            learning_rate=3e-3,
            optimizer="adamw",
            weight_decay=1e-2,
            schedule="one_cycle",
            clip_norm=1.0,
            class_weights="square_root",
            monitor="validation/macro_f1",
        ),
        sweep=default_sweep(
            learning_rate=(3e-4, 1e-2), activation=None, metric="validation/macro_f1"
        ),
    )
