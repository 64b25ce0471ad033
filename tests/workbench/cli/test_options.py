from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from typer import BadParameter
from typer.testing import CliRunner

from nets.config import to_dict
from nets.errors import ConfigError
from workbench.cli.commands import app
from workbench.cli.jobs import _cluster, _refuse_other_settings
from workbench.cli.options import build_experiment, parse_space
from workbench.cluster import ClusterConfig
from workbench.jobs.request import Request
from workbench.jobs.statefile import State


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


@pytest.mark.parametrize(
    ("settings", "options", "message"),
    [
        (["training.epochs=4"], {"epochs": 3}, "--set training.epochs overrules --epochs"),
        (["training.seed=4"], {"seed": 3}, "--set training.seed overrules --seed"),
        (["sweep.seed=4"], {"seed": 3}, "--set sweep.seed overrules --seed"),
        (
            ["sweep.num_trials=4"],
            {"extra": {"sweep.num_trials": 3}},
            "--set sweep.num_trials overrules --trials",
        ),
        (["sweep.search=grid"], {"extra": {"sweep.search": "random"}}, "overrules --search"),
        (["sweep.scheduler=none"], {"extra": {"sweep.scheduler": "asha"}}, "overrules --scheduler"),
        (["sweep.space={}"], {"extra": {"sweep.space": {"a": 1}}}, "overrules --space"),
        (["training.epochs=4", "training.epochs=5"], {}, "overrules --set training.epochs"),
        (["training.augment.crop=1", "training.augment={}"], {}, "put the whole first"),
        (
            ["training.batch_size=4"],
            {"extra": {"sweep.space": {"training.batch_size": 1}}},
            "--set training.batch_size has no effect: --space",
        ),
        (
            [],
            {"epochs": 3, "extra": {"sweep.space": {"training.epochs": 1}}},
            "--epochs has no eff",
        ),
    ],
)
def test_an_option_that_another_overrules_is_refused(
    settings: list[str], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        build_experiment("digits_cnn", settings, **options)


def test_a_part_may_follow_its_whole() -> None:
    made = build_experiment("digits_cnn", ["training.augment={}", "training.augment.crop=1"])
    assert made.training.augment.crop == 1


def test_a_setting_is_searched_once() -> None:
    with pytest.raises(ConfigError, match=r"--space net\.x is given twice"):
        parse_space(["net.x=1,2", "net.x=3"])


@pytest.mark.parametrize("own", [True, False])
def test_a_change_of_a_setting_that_the_sweep_searches_is_refused(own: bool) -> None:
    message = r"training\.batch_size was set, and would change nothing: the sweep searches it"
    if own:
        command = ["sweep", "digits_cnn", "--own", "--set", "training.batch_size=8"]
        reply = CliRunner().invoke(app, command)
        assert reply.exit_code == 2
        assert re.search(message, " ".join(reply.stderr.split()))
        return
    changes = {"training.batch_size": 8}
    Request(kind="train", experiment="digits_cnn", changes=changes).load()
    with pytest.raises(ConfigError, match=message):
        Request(kind="sweep", experiment="digits_cnn", changes=changes).load()


def test_an_option_of_a_stream_is_refused_without_one() -> None:
    command = ["score", "x", "-i", "a", "-o", "b", "--files-per-batch", "3"]
    reply = CliRunner().invoke(app, command)
    assert reply.exit_code == 2 and "--files-per-batch belongs to --stream" in reply.stderr


def test_a_bench_that_is_up_refuses_other_settings() -> None:
    state = State(address="a", pid=1, actor_pid=1, started=0, log="l")
    _refuse_other_settings(state, {}, dashboards=False)
    _refuse_other_settings(state, to_dict(ClusterConfig()), dashboards=False)
    with pytest.raises(
        BadParameter, match=r"started without cluster\.num_executors=2, --dashboards"
    ):
        _refuse_other_settings(state, to_dict(ClusterConfig(num_executors=2)), dashboards=True)


def test_a_bench_refuses_settings_that_would_change_nothing() -> None:
    with pytest.raises(ConfigError, match=r"cluster\.spark\.max_nodes 5 would change nothing"):
        _cluster(None, ["cluster.spark.max_nodes=5"], None)


def test_the_home_folder_is_expanded() -> None:
    experiment = build_experiment("cifar10_cnn", ["data.source.path=~/cifar"])
    assert experiment.data.source.path == str(Path.home() / "cifar")  # type: ignore[union-attr]


def test_the_nearest_setting_is_suggested() -> None:
    with pytest.raises(ConfigError, match=r"training\.learning_rate"):
        build_experiment("digits_cnn", ["training.learnin_rate=0.5"])
