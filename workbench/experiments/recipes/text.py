"""Text: a recurrent net over the tokens with n-grams beside it.

On some thousand texts a net from scratch falls below TF-IDF with logistic regression (Wang and Manning
2012, "Baselines and Bigrams", say how strong those are). So the net has them as its wide part (Cheng et
al. 2016), with dropout over the n-grams, and learns what they leave.
"""

from __future__ import annotations

from dataclasses import replace

from nets import RNNConfig, SequenceCNNConfig, TrainingConfig
from nets.prepare import PreparationConfig
from workbench.data.sources import TextSource
from workbench.experiments.recipes.facts import (
    Facts,
    Recipe,
    explain_learned,
    one_cycle,
)

WORD_GRAMS, CHARACTER_GRAMS = 2, 4
"""Words: pairs, as fastText (Joulin et al. 2017). Characters: up to four, where prefixes and endings lie."""
_ONE_WORD = 3.0
"""Texts of fewer words on average are names and the like: their letters say more than they do."""


def text(facts: Facts, *, characters: bool = False) -> Recipe:
    """A bidirectional GRU with mean and maximum over time, and n-grams beside it."""
    grams = CHARACTER_GRAMS if characters else WORD_GRAMS
    net = RNNConfig(
        cell="gru",
        hidden=64,
        bidirectional=True,
        summary="mean_max",
        embedding=32 if characters else 64,
        dropout=0.3 if characters else 0.5,
        wide=grams,
    )
    return Recipe(
        net=net,
        training=text_training(facts),
        preparation=PreparationConfig(method="none"),
        why=(
            f"A bidirectional GRU over {'characters' if characters else 'words'}, and beside it a "
            f"linear model of n-grams of up to {grams} (wide and deep, Cheng 2016).",
            *explain_learned(facts),
        ),
    )


def convolutions(facts: Facts, *, characters: bool = False) -> Recipe:
    """Convolutions over 3, 4 and 5 tokens (Kim 2014), and n-grams beside them."""
    recipe = text(facts, characters=characters)
    net = SequenceCNNConfig(
        channels=(100,),
        kernels=(3, 4, 5),
        embedding=64,
        dropout=0.5,
        wide=CHARACTER_GRAMS if characters else WORD_GRAMS,
    )
    return replace(recipe, net=net)


def text_training(facts: Facts) -> TrainingConfig:
    """Few passes: after some, a net knows its texts by heart. One cycle (Smith 2018), clipped (Pascanu 2013)."""
    return one_cycle(facts, seen=45_000, fewest=5, most=20, most_batch=64, learning_rate=1e-3)


def fit_source(source: TextSource, facts: Facts) -> TextSource:
    """The source, read by characters where texts are single words."""
    short = facts.words_a_text is not None and facts.words_a_text < _ONE_WORD
    if not short or source.tokenizer != "words":
        return source
    return replace(source, tokenizer="characters", lowercase=False, max_length=32)
