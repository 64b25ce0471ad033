"""Configurations: checked, addressable, and explained when they are wrong."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nets import (
    AutoencoderConfig,
    CNNConfig,
    ConfigError,
    ResNetConfig,
    RNNConfig,
    TensorSpec,
    TrainingConfig,
)
from nets.config import flatten, from_dict, override, to_dict
from nets.suggestions import ALIASES
from workbench.data.sources import ImageFolderSource
from workbench.experiments.experiment import Experiment, SweepConfig
from workbench.experiments.space import Choice

EXPERIMENT = Experiment(name="x")


def test_an_experiment_survives_json() -> None:
    assert from_dict(Experiment, to_dict(EXPERIMENT)) == EXPERIMENT
    other = dataclasses.replace(EXPERIMENT, net=RNNConfig(cell="gru", dense=(3, 2)))
    assert from_dict(Experiment, to_dict(other)) == other


def test_every_leaf_has_a_path_that_sets_it() -> None:
    leaves = flatten(EXPERIMENT)
    assert leaves["training.learning_rate"] == 1e-3
    assert override(EXPERIMENT, leaves) == EXPERIMENT


@given(rate=st.floats(1e-9, 1e3))
def test_text_and_numbers_set_the_same(rate: float) -> None:
    as_text = override(EXPERIMENT, {"training.learning_rate": repr(rate)})
    assert as_text.training.learning_rate == rate
    assert override(EXPERIMENT, {"training.learning_rate": rate}) == as_text


def test_lists_nulls_and_whole_branches_can_be_set() -> None:
    changed = override(
        EXPERIMENT,
        {"net.dense": "[32, 16]", "training.clip_norm": "null", "net.blocks": "[]"},
    )
    assert isinstance(changed.net, CNNConfig)
    assert (changed.net.dense, changed.net.blocks) == ((32, 16), ())
    swapped = override(EXPERIMENT, {"net": '{"kind": "rnn", "cell": "gru"}'})
    assert swapped.net == RNNConfig(cell="gru")


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("training.lr", "training.learning_rate"),
        ("lr", "training.learning_rate"),
        ("LR", "training.learning_rate"),
        ("net.lr", "training.learning_rate"),
        ("bs", "training.batch_size"),
        ("batch", "training.batch_size"),
        ("training.batch-size", "training.batch_size"),
        ("epochs", "training.epochs"),
        ("num_epochs", "training.epochs"),
        ("wd", "training.weight_decay"),
        ("optim", "training.optimizer"),
        ("training.act", "net.activation"),
        ("dropout", "net.dropout"),
        ("training.dropout", "net.dropout"),
        ("gpus", "cluster.gpus_per_worker"),
        ("workers", "cluster.num_workers"),
        ("training.num_workers", "cluster.num_workers"),
        ("net.momentun", "training.momentum"),
        ("net.blocks.0.channels", "net.blocks"),
    ],
)
def test_a_setting_is_suggested_by_what_people_type(path: str, meant: str) -> None:
    with pytest.raises(ConfigError, match=f"Did you mean '{meant}'"):
        override(EXPERIMENT, {path: "1"})


@pytest.mark.parametrize("path", ["net.blocks.0.channels", "net.lr", "nonsense"])
def test_a_suggested_path_can_be_set(path: str) -> None:
    """A space names paths too; they are no settings for that."""
    space = {path: Choice(values=(8, 16)), "net.lr": Choice(values=(1,))}
    experiment = dataclasses.replace(EXPERIMENT, sweep=SweepConfig(space=space))
    with pytest.raises(ConfigError) as caught:
        override(experiment, {path: 8})
    assert "sweep.space." not in str(caught.value)
    override(experiment, {"sweep.space.net.lr": '{"kind": "choice", "values": [2]}'})


def test_every_alias_stands_for_a_name_that_exists() -> None:
    nets = (CNNConfig, RNNConfig, ResNetConfig, AutoencoderConfig)
    existing = {path.rpartition(".")[2] for path in flatten(EXPERIMENT)} | {"augment", "accuracy"}
    existing |= {field.name for net in nets for field in dataclasses.fields(net)}
    assert set(ALIASES.values()) <= existing
    assert not set(ALIASES) & existing


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (
            "net.activatoin",
            "relu",
            r"Unknown setting 'net.activatoin'. Did you mean 'net.activation'",
        ),
        ("learning_rate", "1", r"Did you mean 'training.learning_rate'"),
        ("training.learning_rate", "-1", r"training.learning_rate: .*greater than 0, got -1"),
        ("training.epochs", "many", r"training.epochs: .*valid integer.*got 'many'"),
        (
            "training.optimizer",
            "adan",
            r"training.optimizer: Unknown optimizer 'adan'. Did you mean 'adam'",
        ),
        ("training.learning_rate", "NaN", r"training.learning_rate: .*finite number"),
        ("net.activation", "rellu", r"Unknown activation 'rellu'"),
    ],
)
def test_a_wrong_setting_names_value_rule_and_way_out(path: str, value: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        override(EXPERIMENT, {path: value})


def test_the_path_in_a_message_is_the_path_a_person_can_set() -> None:
    with pytest.raises(ConfigError, match=r"^net\.dropout: .*got 7"):
        override(EXPERIMENT, {"net.dropout": 7})


def test_a_configuration_cannot_be_changed_and_checks_when_made() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        EXPERIMENT.name = "y"  # type: ignore[misc]
    with pytest.raises(ConfigError, match="greater than or equal to 1, got 0"):
        TrainingConfig(epochs=0)
    with pytest.raises(ConfigError, match=r"shape of image must be \(channels, height, width\)"):
        TensorSpec(kind="image", shape=(3, 4))
    with pytest.raises(ConfigError, match="vocabulary_size >= 2"):
        TensorSpec(kind="tokens", shape=(4,), dtype="int32")


def test_inherited_settings_keep_their_help_and_come_after_a_class_s_own() -> None:
    source = ImageFolderSource(path="x")
    names = [field.name for field in dataclasses.fields(source)]
    assert names[:3] == ["kind", "path", "shape"] and "class_level" in names
    fields = type(source).__pydantic_fields__  # type: ignore[attr-defined]
    assert fields["class_level"].description.startswith("Which folder of a file's path")
    assert fields["shape"].description.startswith("(channels, height, width)")
