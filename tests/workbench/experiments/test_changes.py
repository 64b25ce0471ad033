"""Settings inside of lists, and whole nets by name."""

from __future__ import annotations

from typing import Any

import pytest

from nets import BlockConfig, CNNConfig, RNNConfig
from nets.config import to_dict
from nets.errors import ConfigError
from workbench.experiments.changes import overlap, override, param_name
from workbench.experiments.experiment import Experiment

BASE = Experiment(
    name="x", net=CNNConfig(blocks=(BlockConfig(channels=8), BlockConfig(channels=9)), dense=(32,))
)


def channels(experiment: Experiment) -> list[int]:
    assert isinstance(experiment.net, CNNConfig)
    return [block.channels for block in experiment.net.blocks]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"net.blocks[0].channels": 4}, [4, 9]),
        ({"net.blocks[1].channels": "4"}, [8, 4]),
        ({"net.blocks[*].channels": 4}, [4, 4]),
        ({"net.blocks[0].channels": 4, "net.blocks[1].channels": 5}, [4, 5]),
        ({"net.blocks[1].channels": 4, "net.blocks": [{"channels": 1}, {"channels": 2}]}, [1, 4]),
        ({"net.blocks[0]": {"channels": 3}}, [3, 9]),
    ],
)
def test_a_path_reaches_into_lists(changes: dict[str, Any], expected: list[int]) -> None:
    assert channels(override(BASE, changes)) == expected
    assert channels(BASE) == [8, 9]


def test_a_list_of_numbers_has_entries_too() -> None:
    net = override(BASE, {"net.dense[0]": 7}).net
    assert isinstance(net, CNNConfig) and net.dense == (7,)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("net.blocks[2].channels", r"net.blocks has 2 entries: \[0\] to \[1\]"),
        ("net.blocks[-1].channels", r"counted from 0 at the front, without a minus; \[\*\] is all"),
        ("net.blocks[x].channels", "net.blocks has 2 entries"),
        ("net.blocks[0].chanels", r"Did you mean 'net.blocks\[0\].channels'"),
        ("net.blocks[0]channels", "comes a dot and a setting's name"),
        ("net.blocks[0", r"entry is \[0\], \[1\]"),
        ("net.dense[0].size", r"net.dense\[0\] has no settings inside"),
        ("net.activation[0]", r"net.activation is no list.*relu"),
        ("net.block[0].channels", r"Did you mean 'net.blocks\[0\]'"),
        ("net.blocks[0].channels[0]", "is no list"),
    ],
)
def test_a_wrong_path_is_refused_with_what_there_is(path: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        override(BASE, {path: 1})


def test_a_value_inside_of_a_list_is_checked() -> None:
    with pytest.raises(ConfigError, match=r"channels: .*greater than or equal to 1"):
        override(BASE, {"net.blocks[*].channels": 0})


def test_a_net_by_the_name_of_its_kind() -> None:
    assert override(BASE, {"net": "rnn"}).net == RNNConfig()
    assert override(BASE, {"net": "cnn"}).net == BASE.net, "the experiment's own of that kind"
    parts = {"net.hidden": 5, "net": "rnn"}
    assert override(BASE, parts).net == RNNConfig(hidden=5), "a whole comes before its parts"
    assert override(BASE, {"net": to_dict(RNNConfig(hidden=6))}).net == RNNConfig(hidden=6)
    with pytest.raises(ConfigError, match=r"'rrnn'.*'cnn', .*'rnn'"):
        override(BASE, {"net": "rrnn"})


def test_paths_that_name_the_same_value() -> None:
    assert overlap("net.blocks[*].channels", "net.blocks[1].channels")
    assert not overlap("net.blocks[0].channels", "net.blocks[1].channels")
    assert not overlap("net.blocks[*].channels", "net.blocks[*].pool")
    assert param_name("net.blocks[*].channels") == "net.blocks.all.channels"
    assert param_name("net.blocks[12].channels") == "net.blocks.12.channels"
