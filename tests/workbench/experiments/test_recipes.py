"""Recipes: each kind of data gets an experiment that passes all checks and fits its samples."""

from __future__ import annotations

from typing import Any

import pytest

import nets
from nets.config import to_dict
from workbench.data.sources import (
    ImageFolderSource,
    SeriesSource,
    TableSource,
    TextSource,
    TsFileSource,
)
from workbench.experiments.experiment import Experiment
from workbench.experiments.recipes import Facts, choose_recipe, facts_of, recipe_for
from workbench.sweeps.checks import check_space
from workbench.training.checks import check_before_start

TWO = ("no", "yes")
TEXT = Facts(kind="tokens", shape=(64,), num_rows=7_000, labels=TWO, words_a_text=21.0)
NAMES = Facts(kind="tokens", shape=(64,), num_rows=700, labels=TWO, words_a_text=1.2)
PICTURES = Facts(kind="image", shape=(3, 32, 32), num_rows=50_000, labels=("cat", "dog"))
SERIES = Facts(kind="series", shape=(29, 12), num_rows=243, labels=TWO)
FORECAST = Facts(kind="series", shape=(96, 7), num_rows=2_600, labels=None, forecast=True)
TABLE = Facts(kind="vector", shape=(30,), num_rows=400, labels=TWO)
VALUES = Facts(kind="vector", shape=(10,), num_rows=300, labels=None)
WINDOWS = SeriesSource(path="none", time_column="t", targets=("a",), length=96, horizon=24)

CASES: list[tuple[Any, Facts]] = [
    (TextSource(path="none"), TEXT),
    (TextSource(path="none"), NAMES),
    (ImageFolderSource(path="none"), PICTURES),
    (ImageFolderSource(path="none"), Facts(**{**vars(PICTURES), "num_rows": 300})),
    (ImageFolderSource(path="none"), Facts(**{**vars(PICTURES), "shape": (1, 8, 8)})),
    (TsFileSource(path="none"), SERIES),
    (TsFileSource(path="none"), Facts(**{**vars(SERIES), "shape": (5, 1)})),
    (WINDOWS, FORECAST),
    (TableSource(path="none"), TABLE),
    (TableSource(path="none", task="values"), VALUES),
    (TableSource(path="none"), Facts(**{**vars(TABLE), "class_counts": (900, 30)})),
]


@pytest.mark.parametrize(("source", "facts"), CASES)
def test_a_recipe_passes_all_checks_and_fits_its_samples(source: Any, facts: Facts) -> None:
    experiment = recipe_for(source, facts, name="mine")
    check_before_start(experiment)
    check_space(experiment)
    assert experiment.description
    vocabulary = 50 if facts.kind == "tokens" else None
    dtype = "int32" if vocabulary else "float32"
    spec = nets.TensorSpec(
        kind=facts.kind, shape=facts.shape, dtype=dtype, vocabulary_size=vocabulary
    )
    net = nets.build(experiment.net, spec, 2).eval()
    assert net(net.example(2)).shape == (2, 2)
    again = nets.config.from_dict(Experiment, to_dict(experiment))
    assert again == experiment


def test_single_words_are_read_by_their_letters() -> None:
    names = recipe_for(TextSource(path="none"), NAMES, name="names")
    assert isinstance(names.data.source, TextSource)
    assert names.data.source.tokenizer == "characters"
    given = recipe_for(TextSource(path="none", tokenizer="t.json"), NAMES, name="names")
    assert isinstance(given.data.source, TextSource)
    assert given.data.source.tokenizer == "t.json"
    sentences = recipe_for(TextSource(path="none"), TEXT, name="texts")
    assert isinstance(sentences.data.source, TextSource)
    assert sentences.data.source.tokenizer == "words"


@pytest.mark.parametrize(
    ("labels", "mirrored"),
    [
        (("cat", "dog"), True),
        (tuple("0123456789"), False),
        (("a", "b"), False),
        (("turn left", "turn right"), False),
        (("one", "seven"), False),
        (None, False),
    ],
)
def test_pictures_are_mirrored_where_sides_have_no_meaning(labels: Any, mirrored: bool) -> None:
    recipe = choose_recipe(Facts(**{**vars(PICTURES), "labels": labels}))
    assert recipe.training.augment.flip is mirrored
    grey = choose_recipe(Facts(**{**vars(PICTURES), "shape": (1, 28, 28)}))
    assert not grey.training.augment.flip


def test_uneven_classes_are_weighted_and_compared_by_f1() -> None:
    uneven = choose_recipe(Facts(**{**vars(TABLE), "class_counts": (900, 30)}))
    assert uneven.training.class_weights == "square_root"
    assert uneven.training.monitor == "validation/macro_f1"
    assert any("30 times" in sentence for sentence in uneven.why)
    even = choose_recipe(Facts(**{**vars(TABLE), "class_counts": (900, 300)}))
    assert even.training.class_weights == "none"


def test_facts_come_from_a_description() -> None:
    facts = facts_of(
        {"kind": "tokens", "shape": [64], "dtype": "int32"},
        ["a", "b"],
        100,
        class_counts=[60, 40],
        figures={"length": {"min": 1, "mean": 2.0, "max": 9}},
    )
    assert facts == Facts(
        kind="tokens",
        shape=(64,),
        num_rows=100,
        labels=("a", "b"),
        class_counts=(60, 40),
        words_a_text=2.0,
    )
