"""Conditions of searched settings, and all of a search as lines of text."""

from __future__ import annotations

from typing import Any

import pytest

from nets.errors import ConfigError
from workbench.experiments.combinations import combinations, ordered, with_conditions
from workbench.experiments.space import Choice, Uniform
from workbench.experiments.space_text import parse_space, space_text

LINES = (
    "training.nesterov=true,false if training.optimizer=sgd",
    "net.blocks[*].channels=8,16 if net=cnn and training.optimizer=sgd,adam",
    "training.learning_rate=log:0.0001..0.1 if a.b=1",
    'x=["y if z=1", [1, 2]]',
    'x=[[1], [2]] if y=["a,b"]',
    "net=cnn,rnn",
)


@pytest.mark.parametrize("line", LINES)
def test_a_line_is_written_as_it_is_read(line: str) -> None:
    space = parse_space([line])
    [(path, parameter)] = space.items()
    assert space_text(path, parameter) == line


def test_conditions_are_read() -> None:
    space = parse_space([LINES[1]])
    assert space["net.blocks[*].channels"]["only_if"] == {
        "net": ["cnn"],
        "training.optimizer": ["sgd", "adam"],
    }
    assert "only_if" not in parse_space(["x=a,b"])["x"]
    assert Choice(values=(1,), only_if={"net": "cnn"}).only_if == {"net": ("cnn",)}


def space() -> dict[str, Choice | Uniform]:
    return {
        "nesterov": Choice(values=(True, False), only_if={"momentum": 0.9}),
        "momentum": Choice(values=(0.0, 0.9), only_if={"optimizer": ("sgd",)}),
        "optimizer": Choice(values=("sgd", "adam")),
    }


def test_only_what_is_searched_together_is_combined() -> None:
    assert list(ordered(space())) == ["optimizer", "momentum", "nesterov"]
    assert list(combinations(space())) == [
        {"optimizer": "sgd", "momentum": 0.0},
        {"optimizer": "sgd", "momentum": 0.9, "nesterov": True},
        {"optimizer": "sgd", "momentum": 0.9, "nesterov": False},
        {"optimizer": "adam"},
    ]
    assert list(with_conditions(space(), ["momentum"])) == ["momentum", "optimizer"]


@pytest.mark.parametrize(
    ("only_if", "message"),
    [
        ({"optimiser": "sgd"}, r"'optimiser' is not searched.*optimizer"),
        ({"optimizer": "adamw"}, r"which it never is: its values are sgd, adam"),
        ({"rate": 1}, r"'rate' has a range"),
        ({"momentum": 0.9}, r"momentum.*'extra'|go round in a circle"),
    ],
)
def test_a_condition_that_cannot_hold_is_refused(only_if: dict[str, Any], message: str) -> None:
    more: dict[str, Choice | Uniform] = {
        "rate": Uniform(low=0, high=1),
        "extra": Choice(values=(1,), only_if=only_if),
    }
    wrong = space() | more
    if "momentum" in only_if:
        wrong["momentum"] = Choice(values=(0.9,), only_if={"extra": 1})
    with pytest.raises(ConfigError, match=message):
        ordered(wrong)


def test_true_is_not_one() -> None:
    parts = {"flag": Choice(values=(True, 1)), "x": Choice(values=(5,), only_if={"flag": True})}
    assert list(combinations(parts)) == [{"flag": True, "x": 5}, {"flag": 1}]
