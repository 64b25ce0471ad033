from __future__ import annotations

import pytest

from nets import BlockConfig, CNNConfig
from nets.config import flatten, override
from workbench.experiments.experiment import Experiment
from workbench.ui import forms

BASE = Experiment(name="base", net=CNNConfig())
FIELDS = {field.path: field for field in forms.fields(BASE)}


def test_every_setting_has_a_field_and_every_field_is_a_setting() -> None:
    leaves = {path for path in flatten(BASE) if not path.startswith("sweep.space")}
    fixed = {path for path in leaves if path.endswith(".kind")}  # the choice of the base
    assert leaves - fixed <= set(FIELDS) and set(FIELDS) - leaves <= {"sweep.space"}


def test_fields_know_their_type_range_choices_and_help() -> None:
    rate = FIELDS["training.learning_rate"]
    assert (rate.kind, rate.minimum, rate.group) == ("number", 0, "training")
    assert rate.help.startswith("Step size") and "> 0" in rate.help
    assert FIELDS["training.epochs"].kind == "integer"
    assert FIELDS["training.compile"].kind == "switch"
    assert "adamw" in FIELDS["training.optimizer"].choices
    assert {"relu", "maxout"} <= set(FIELDS["net.activation"].choices)
    assert FIELDS["training.clip_norm"].optional


@pytest.mark.parametrize("path", sorted(FIELDS))
def test_what_a_field_shows_is_what_the_experiment_takes(path: str) -> None:
    """The text of an unchanged field, typed again, changes nothing."""
    text = forms.as_text(FIELDS[path].value)
    assert override(BASE, {path: text}) == BASE


def test_a_wrong_value_is_blamed_on_its_field() -> None:
    made, problems = forms.check(BASE, {"training.learning_rate": -1.0, "training.epochs": 3})
    assert made is None and list(problems) == ["training.learning_rate"]
    assert "greater than 0" in problems["training.learning_rate"]


def test_a_wrong_value_inside_a_net_is_blamed_on_its_field() -> None:
    _, problems = forms.check(BASE, {"net.dropout": 7})
    assert list(problems) == ["net.dropout"]


def test_values_that_do_not_go_together_are_explained() -> None:
    made, problems = forms.check(BASE, {"data.split.validation": 0.6, "data.split.test": 0.6})
    assert made is None and "leave rows to train on" in " ".join(problems.values())


def test_arguments_give_back_the_experiment() -> None:
    from workbench.cli.options import build_experiment

    changes = {"training.learning_rate": 0.02, "net.activation": "tanh", "training.clip_norm": None}
    words = forms.arguments(changes)
    assert words[:2] == ["--set", "training.learning_rate=0.02"]
    made, _ = forms.check(build_experiment("digits_cnn"), changes)
    assert made == build_experiment("digits_cnn", words[1::2])


def test_the_blocks_of_a_net_are_rows() -> None:
    field = FIELDS["net.blocks"]
    assert field.kind == "rows" and [c.path for c in field.columns][:2] == ["channels", "kernel"]
    typed = [{"channels": 8.0, "pool": "average", "padding": float("nan")}, {"channels": None}]
    made, problems = forms.check(BASE, {"net.blocks": forms.read_rows(typed, field.columns)})
    assert made is not None and not problems
    assert made.net.blocks == (BlockConfig(channels=8, pool="average"), BlockConfig())
