"""Configurations: checked, addressable, and explained when they are wrong."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nets import CNNConfig, ConfigError, RNNConfig, TensorSpec, TrainingConfig
from nets.config import flatten, from_dict, override, to_dict
from workbench.experiments.experiment import Experiment

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
        ("training.optimizer", "adan", r"training.optimizer: .*'adam'.* got 'adan'"),
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
