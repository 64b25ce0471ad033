from __future__ import annotations

from pathlib import Path

import pytest

from nets.errors import ConfigError
from workbench.cli.options import build_experiment, parse_space


def test_a_range() -> None:
    assert parse_space(["training.weight_decay=0.1..0.9"]) == {
        "training.weight_decay": {"kind": "uniform", "low": 0.1, "high": 0.9, "log": False}
    }


def test_a_range_of_magnitudes() -> None:
    assert parse_space(["training.learning_rate=log:1e-4..1e-1"]) == {
        "training.learning_rate": {"kind": "uniform", "low": 1e-4, "high": 0.1, "log": True}
    }


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("relu,elu", ["relu", "elu"]),
        ("32,64", [32, 64]),
        ("relu", ["relu"]),
        ("true,null", [True, None]),
        ("[[16, 32], [32]]", [[16, 32], [32]]),
    ],
)
def test_a_list_of_values(text: str, values: list[object]) -> None:
    assert parse_space([f"net.x={text}"]) == {"net.x": {"kind": "choice", "values": values}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("net.activation", "KEY=VALUE"),
        ("=relu", "KEY=VALUE"),
        ("k=a..b", "with numbers, got 'a..b'"),
        ("k=log:1,2", "log:LOW..HIGH"),
        ("k=[1,", "JSON list"),
    ],
)
def test_a_wrong_space_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message.replace("[", r"\[").replace("..", r"\.\.")):
        parse_space([text])


def test_settings_reach_the_experiment() -> None:
    experiment = build_experiment(
        "digits_cnn",
        ["training.learning_rate=0.5", "net.activation=elu"],
        epochs=3,
        seed=7,
        extra={"sweep.space": parse_space(["training.batch_size=16,32"])},
    )
    assert experiment.training.learning_rate == 0.5
    assert experiment.net.activation == "elu"
    assert experiment.training.epochs == 3
    assert experiment.training.seed == experiment.sweep.seed == 7
    assert list(experiment.sweep.space) == ["training.batch_size"]


def test_set_wins_over_the_short_forms() -> None:
    assert build_experiment("digits_cnn", ["training.epochs=4"], epochs=3).training.epochs == 4


def test_the_home_folder_is_expanded() -> None:
    experiment = build_experiment("cifar10_cnn", ["data.source.path=~/cifar"])
    assert experiment.data.source.path == str(Path.home() / "cifar")  # type: ignore[union-attr]


def test_the_nearest_setting_is_suggested() -> None:
    with pytest.raises(ConfigError, match=r"training\.learning_rate"):
        build_experiment("digits_cnn", ["training.learnin_rate=0.5"])
