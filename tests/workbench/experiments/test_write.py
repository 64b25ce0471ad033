"""An experiment written as a file is the same experiment."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from nets.errors import ConfigError
from workbench.data import DataConfig, SplitConfig, fingerprint
from workbench.data.sources import SeriesSource, TableSource
from workbench.experiments import load_experiment, names
from workbench.experiments.recipes import facts_of, recipe_for
from workbench.experiments.write import save_experiment


@pytest.mark.parametrize("name", names())
def test_a_shipped_experiment_comes_back_equal(name: str, tmp_path: Path) -> None:
    experiment = load_experiment(name)
    save_experiment(experiment, tmp_path / "mine.py")
    assert load_experiment(str(tmp_path / "mine.py")) == experiment


def test_a_recipe_comes_back_with_the_same_fingerprint(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("a,label\n1,x\n2,y\n")
    source = TableSource(path=str(table), format="csv", features=("a",))
    facts = facts_of({"kind": "vector", "shape": [1]}, ("x", "y"), 100)
    made = recipe_for(source, facts, name="2 moons", split=SplitConfig(test=0.3))
    save_experiment(made, tmp_path / "mine.py")
    loaded = load_experiment(str(tmp_path / "mine.py"))
    assert loaded == made
    assert fingerprint(loaded.data, loaded.preparation) == fingerprint(made.data, made.preparation)
    series = SeriesSource(path=str(table), targets=("a",), length=9)
    other = replace(made, data=DataConfig(source=series, split=SplitConfig(by="time")))
    save_experiment(other, tmp_path / "other.py")
    assert load_experiment(str(tmp_path / "other.py")) == other


def test_parts_of_torch_and_of_ones_own_are_imported(tmp_path: Path) -> None:
    (tmp_path / "parts.py").write_text(
        "def fading(position, length, *, power: float = 1.0):\n"
        "    return (1 - position / length) ** power\n"
    )
    (tmp_path / "first.py").write_text(
        "from parts import fading\n"
        "from nets import Custom, TrainingConfig\n"
        "from workbench import Experiment\n"
        "schedule = Custom(fading, power=2.0)\n"
        "mine = Experiment(name='mine', training=TrainingConfig(optimizer='NAdam', schedule=schedule))\n"
    )
    experiment = load_experiment(str(tmp_path / "first.py"))
    save_experiment(experiment, tmp_path / "mine.py")
    assert load_experiment(str(tmp_path / "mine.py")) == experiment


def test_no_file_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("")
    with pytest.raises(ConfigError, match="there already"):
        save_experiment(load_experiment("digits_cnn"), tmp_path / "mine.py")
    with pytest.raises(ConfigError, match=r"\.py"):
        save_experiment(load_experiment("digits_cnn"), tmp_path / "mine.txt")
