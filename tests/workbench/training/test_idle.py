"""Settings that would change nothing are refused: the rules, one by one."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from nets import AutoencoderConfig, ConfigError, RNNConfig
from nets.config import override
from tests.workbench.small import digits, digits_sweep
from workbench.data.sources import (
    CifarArchiveSource,
    ImageTableSource,
    SeriesSource,
    TableSource,
    TextSource,
)
from workbench.experiments import load_experiment, names
from workbench.experiments.experiment import Experiment
from workbench.experiments.space import Choice, Uniform
from workbench.sweeps.checks import check_space
from workbench.sweeps.driver import sweep
from workbench.training.checks import check_before_start
from workbench.training.driver import train
from workbench.training.idle import check_idle_changes, check_idle_for_rows, note_idle


def with_source(source: Any, net: Any = None, **split: Any) -> Experiment:
    experiment = digits()
    data = replace(experiment.data, source=source, split=replace(experiment.data.split, **split))
    return replace(experiment, data=data, net=net or experiment.net)


TEXT = with_source(TextSource(path="texts"), RNNConfig(cell="gru", dense=(8,)))
TABLE = with_source(TableSource(path="t", features=("a",)))
PICTURES = with_source(ImageTableSource(path="t"))
WINDOWS = with_source(SeriesSource(path="t", label_column="c"), RNNConfig(dense=(8,)), by="time")
DRAWN = override(
    digits(loss="mse", mode="min", monitor="validation/loss"),
    {"net": {"kind": "autoencoder", "hidden": []}},
)

CASES: list[tuple[Experiment, dict[str, Any], str, str]] = [
    # experiment, changes, the setting that is idle, the way out
    (digits(), {"training.focal_gamma": 3.0}, "training.focal_gamma", "Set training.loss to focal"),
    (digits(), {"training.nesterov": False}, "training.nesterov", "training.optimizer to sgd"),
    (
        digits(optimizer="sgd", momentum=0),
        {"training.nesterov": False},
        "training.nesterov",
        "training.momentum above 0",
    ),
    (
        digits(optimizer="adagrad"),
        {"training.momentum": 0.5},
        "training.momentum",
        "Choose another training.optimizer",
    ),
    (digits(), {"training.warmup": 0.0}, "training.warmup", "above 0"),
    (digits(schedule="cosine"), {"training.warmup": 0.0}, "training.warmup", "above 0"),
    (digits(), {"training.augment.padding": "zero"}, "training.augment.padding", "crop above 0"),
    (TEXT, {"training.channels_last": False}, "training.channels_last", "source of pictures"),
    (digits(), {"net.maxout_pieces": 3}, "net.maxout_pieces", "net.activation to maxout"),
    (digits(), {"net.embedding": 32}, "net.embedding", "source of text"),
    (digits(), {"net.blocks": [], "net.global_pool": True}, "net.global_pool", "Add a block"),
    (digits(), {"net.blocks": [], "net.batch_norm": False}, "net.batch_norm", "Add a block"),
    (
        digits(),
        {"net.blocks": [], "net.dense": [], "net.dropout": 0.1},
        "net.dropout",
        "Add a layer",
    ),
    (
        digits(),
        {"net.blocks": [{"pool": "none", "pool_size": 3}]},
        "net.blocks.0.pool_size",
        "net.blocks.0.pool to max",
    ),
    (
        digits(),
        {"net.blocks": [{"pool": "average", "pool_size": 1}]},
        "net.blocks.0.pool",
        "net.blocks.0.pool_size above 1",
    ),
    (TEXT, {"net.dense": [], "net.activation": "elu"}, "net.activation", "layer to net.dense"),
    (
        TEXT,
        {"net.dense": [], "net.cell": "rnn", "net.activation": "elu"},
        "net.activation",
        "layer to net.dense",
    ),
    (DRAWN, {"net.dropout": 0.1}, "net.dropout", "layer to net.hidden"),
    (DRAWN, {"preparation.targets": "none"}, "preparation.targets", "measured values"),
    (
        digits(),
        {"preparation.method": "scale", "preparation.num_components": 4},
        "preparation.num_components",
        "preparation.method to pca",
    ),
    (digits(), {"preparation.whiten": False}, "preparation.whiten", "preparation.method to pca"),
    (
        digits(),
        {"preparation.method": "center", "preparation.epsilon": 0.1},
        "preparation.epsilon",
        "preparation.method to standardize",
    ),
    (
        TEXT,
        {"preparation.method": "zca"},
        "preparation.method",
        "source of measured values",
    ),
    (WINDOWS, {"data.split.seed": 3}, "data.split.seed", "data.split.by to rows"),
    (
        digits(),
        {"data.split.folds": 3, "data.split.validation": 0.2},
        "data.split.validation",
        "null",
    ),
    (
        with_source(CifarArchiveSource(path="c")),
        {"data.split.test": 0.3},
        "data.split.test",
        "without a test set",
    ),
    (PICTURES, {"data.source.group": "patient"}, "data.source.group", "data.split.by to group"),
    (TABLE, {"data.source.time": "day"}, "data.source.time", "data.split.by to time"),
    (TABLE, {"data.source.csv.decimal": ","}, "data.source.csv.decimal", "format to csv"),
    (TABLE, {"data.source.time_format": "%d"}, "data.source.time_format", "data.source.time"),
    (WINDOWS, {"data.source.horizon": 3}, "data.source.horizon", "data.source.targets"),
    (WINDOWS, {"data.source.season": 3}, "data.source.season", "data.source.targets"),
    (TEXT, {"data.source.text_column": "t"}, "data.source.text_column", "format to csv"),
    (
        TEXT,
        {"data.source.tokenizer": "tokenizer.json", "data.source.lowercase": False},
        "data.source.lowercase",
        "tokenizer to words",
    ),
    (digits(), {"cluster.spark.max_nodes": 4}, "cluster.spark.max_nodes", "topology to spark"),
]


@pytest.mark.parametrize(("experiment", "changes", "path", "way_out"), CASES)
def test_an_idle_setting_is_refused_with_its_value_the_rule_and_the_way_out(
    experiment: Experiment, changes: dict[str, Any], path: str, way_out: str
) -> None:
    check_before_start(experiment)
    message = rf"{re.escape(path)} .* would change nothing: .*{re.escape(way_out)}"
    with pytest.raises(ConfigError, match=message):
        check_before_start(override(experiment, changes))


def test_it_is_refused_before_anything_starts() -> None:
    with pytest.raises(ConfigError, match=r"training\.focal_gamma 3\.0 would change nothing"):
        train(digits(focal_gamma=3.0))
    with pytest.raises(ConfigError, match=r"sweep\.seed 4 would change nothing"):
        sweep(override(digits_sweep(space=SPACE, search="grid"), {"sweep.seed": 4}))


ACTING: list[tuple[Experiment, dict[str, Any]]] = [
    (digits(loss="focal"), {"training.focal_gamma": 3.0}),
    (digits(), {"training.warmup": 0.3}),
    (digits(schedule="one_cycle"), {"training.warmup": 0.0}),
    (digits(), {"training.augment.crop": 2, "training.augment.padding": "zero"}),
    (digits(), {"data.split.folds": 3, "data.split.validation": 0}),
    (with_source(CifarArchiveSource(path="c")), {"data.split.test": 0}),
    (TEXT, {"preparation.method": "none"}),
    (TEXT, {"net.dense": [], "net.cell": "rnn", "net.activation": "relu"}),
    # A column that is named here is no feature, where these are not named.
    (with_source(TableSource(path="t")), {"data.source.group": "patient"}),
]


@pytest.mark.parametrize(("experiment", "changes"), ACTING)
def test_a_setting_that_acts_or_says_what_happens_is_taken(
    experiment: Experiment, changes: dict[str, Any]
) -> None:
    check_before_start(override(experiment, changes))


@pytest.mark.parametrize("name", names())
def test_shipped_experiments_have_no_idle_setting(name: str) -> None:
    check_before_start(load_experiment(name))
    check_space(load_experiment(name))


SPACE = {"training.batch_size": Choice(values=(32, 64))}


@pytest.mark.parametrize(
    ("settings", "path"),
    [
        ({"search": "grid", "num_trials": 5}, "num_trials"),
        ({"search": "grid", "seed": 5}, "seed"),
        ({"grace_epochs": 5}, "grace_epochs"),
        ({"reduction_factor": 5}, "reduction_factor"),
        ({"scheduler": "median", "reduction_factor": 5}, "reduction_factor"),
    ],
)
def test_idle_settings_of_a_sweep_are_refused(settings: dict[str, Any], path: str) -> None:
    with pytest.raises(ConfigError, match=rf"sweep\.{path} 5 would change nothing"):
        check_space(
            override(digits_sweep(space=SPACE), {f"sweep.{k}": v for k, v in settings.items()})
        )


def test_the_option_that_sets_both_seeds_is_taken_by_a_grid() -> None:
    both = {"sweep.seed": 5, "training.seed": 5}
    check_space(override(digits_sweep(space=SPACE, search="grid"), both))


def test_a_sweep_is_refused_only_if_no_trial_uses_the_setting() -> None:
    gamma = override(digits_sweep(), {"training.focal_gamma": 3.0})
    with pytest.raises(ConfigError, match=r"training\.focal_gamma 3\.0 would change nothing"):
        check_space(gamma)
    losses = {"training.loss": Choice(values=("cross_entropy", "focal"))}
    check_space(replace(gamma, sweep=replace(gamma.sweep, space=losses)))


def test_a_search_of_an_idle_setting_is_refused() -> None:
    space = {"training.focal_gamma": Uniform(low=1, high=3)}
    with pytest.raises(
        ConfigError, match=r"a search of training\.focal_gamma would compare trials"
    ):
        check_space(digits_sweep(space=space))
    check_space(digits_sweep(space={**space, "training.loss": Choice(values=("focal",))}))
    # Every other value of warmup acts.
    check_space(digits_sweep(space={"training.warmup": Choice(values=(0.0, 0.3))}))
    deep = [[{"channels": 8, "pool": "none", "pool_size": 3}] * 2]
    with pytest.raises(ConfigError, match=r"net\.blocks\.1\.pool_size 3 would change nothing"):
        check_space(digits_sweep(space={"net.blocks": Choice(values=tuple(deep))}))


def test_the_autoencoder_here_has_no_hidden_layer() -> None:
    assert DRAWN.net == AutoencoderConfig(hidden=())


def test_an_idle_setting_of_a_record_is_noted_and_one_given_beside_it_is_refused() -> None:
    old = digits(focal_gamma=3.0)  # from before the rule
    (note,) = check_before_start(old, recorded=True)
    assert note.startswith("training.focal_gamma 3.0 is in the run's record and changes nothing")
    check_idle_changes(old, ["training.seed"])
    with pytest.raises(ConfigError, match=r"training\.focal_gamma 3\.0 would change nothing"):
        check_idle_changes(old, ["training.focal_gamma"])
    assert check_before_start(digits(), recorded=True) == []


def test_an_idle_setting_for_the_rows_of_a_record_is_noted() -> None:
    old = override(TEXT, {"net.embedding": 7})
    with pytest.raises(ConfigError, match=r"net\.embedding 7 would change nothing"):
        check_idle_for_rows(old, "series")
    (note,) = note_idle(old, "series")
    assert note.startswith("net.embedding 7 is in the run's record")


def test_a_sweep_is_resumed_with_the_idle_settings_of_its_record() -> None:
    old = override(digits_sweep(), {"training.focal_gamma": 3.0})
    (note,) = check_space(old, recorded=True)
    assert note.startswith("The sweep's record is used as it is")
    assert "training.focal_gamma 3.0" in note
    assert check_space(digits_sweep(), recorded=True) == []
