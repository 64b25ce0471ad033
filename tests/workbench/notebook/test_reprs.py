"""What an experiment, data and progress show of themselves."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from nets import BlockConfig, CNNConfig
from nets.config import from_dict, override, to_dict
from nets.errors import ConfigError
from workbench import Experiment, html, load_experiment
from workbench.experiments import names
from workbench.experiments.changed import changed_settings
from workbench.experiments.space import Choice, Uniform
from workbench.notebook.spaces import logarithmic, read_space
from workbench.preflight import Description


def test_an_experiment_shows_what_is_not_a_default() -> None:
    experiment = Experiment(name="mine", net=CNNConfig(blocks=(BlockConfig(channels=8),)))
    assert changed_settings(experiment) == {
        "name": "mine",
        "data.source.kind": "digits",
        "net.kind": "cnn",
        "net.blocks": (BlockConfig(channels=8),),
    }
    assert str(experiment).splitlines() == [
        "Experiment mine",
        "  data.source.kind: digits",
        "  net.kind: cnn",
        "  net.blocks: [BlockConfig(channels=8)]",
    ]
    shown = replace(experiment, description="<b>")._repr_html_()
    assert "BlockConfig(channels=8)" in shown and "&lt;b&gt;" in shown and "<b>mine" in shown


@pytest.mark.parametrize("example", names())
def test_what_changed_makes_the_experiment_again(example: str) -> None:
    experiment = load_experiment(example)
    tree = to_dict(experiment)
    fewer: dict[str, Any] = {}
    for path in changed_settings(experiment):
        *parents, name = path.split(".")
        place, value = fewer, tree
        for parent in parents:
            place, value = place.setdefault(parent, {}), value[parent]
        place[name] = value[name]
    assert from_dict(Experiment, fewer) == experiment


def test_a_description_shows_classes_and_what_was_decided() -> None:
    description = Description(
        source={"kind": "table", "path": "a.csv"},
        spec={"kind": "vector", "shape": [3], "dtype": "float32"},
        labels=("no", "yes"),
        rows={"train": 8, "test": 2},
        class_counts={"train": [5, 3], "test": [1, 1]},
        missing_classes={},
        balance=0.6,
        sample_bytes=12,
        num_bytes=120,
        bad={"rows": 1},
        figures={},
        split={},
        partitions=1,
        fingerprint="f",
        content="c",
        problem=None,
        seconds=1.0,
        decided=["Label: y."],
    )
    assert "rows: train 8, test 2" in str(description) and "Label: y." in str(description)
    assert "<td" in description._repr_html_() and ">yes<" in description._repr_html_()


def test_curves_leave_out_what_is_not_finite() -> None:
    points = [(1.0, 2.0), (2.0, float("nan")), (3.0, 1.0)]
    drawn = html.curve({"loss": points, "short": points[:1]})
    assert drawn.count("<polyline") == 1 and "nan" not in drawn and "1 to 2" in drawn
    assert html.curve({"short": points[:1]}) == ""


def test_a_space_takes_lists_and_ranges() -> None:
    rate = Uniform(low=1e-4, high=1e-1, log=True)
    space = read_space({"net.activation": ["relu", "tanh"], "training.learning_rate": rate})
    experiment = override(load_experiment("digits_cnn"), {"sweep.space": space})
    assert experiment.sweep.space["net.activation"] == Choice(values=("relu", "tanh"))
    assert logarithmic(experiment.sweep.space) == ("training.learning_rate",)
    with pytest.raises(ConfigError, match=r"net\.activation takes a list of values"):
        read_space({"net.activation": "relu"})
