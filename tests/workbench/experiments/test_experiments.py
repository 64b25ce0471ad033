from __future__ import annotations

from pathlib import Path

import pytest

from nets import RNNConfig
from nets.config import from_dict, to_dict
from nets.errors import ConfigError
from workbench.experiments import load_experiment, names, settings
from workbench.experiments.experiment import Experiment

USERS = """
from dataclasses import replace
from workbench import Experiment, load_experiment
from neighbour import RATE

def wide() -> Experiment:
    small = load_experiment("digits_cnn")
    return replace(small, name="wide", training=replace(small.training, learning_rate=RATE))

def wrong():
    return 7

def needs(width):
    return None

def breaks():
    return 1 / 0

def _hidden():
    return None

ready = wide()
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "neighbour.py").write_text("RATE = 0.125\n")
    path = tmp_path / "mine.py"
    path.write_text(USERS)
    return path


@pytest.mark.parametrize("name", names())
def test_a_shipped_experiment_is_complete(name: str) -> None:
    made = load_experiment(name)
    assert made.name == name
    assert made.description
    assert from_dict(Experiment, to_dict(made)) == made
    searched = ["training.learning_rate", "training.batch_size"]
    # A recurrent net without dense layers has no activation to choose.
    if not isinstance(made.net, RNNConfig) or made.net.dense:
        searched.append("net.activation")
    assert list(made.sweep.space) == searched
    assert (made.sweep.num_trials, made.sweep.scheduler) == (16, "asha")


@pytest.mark.parametrize("name", names())
def test_every_setting_has_a_meaning(name: str) -> None:
    listed = settings(load_experiment(name))
    assert len(listed) > 40
    # What kind a part is of says its own name.
    assert [s.path for s in listed if not s.meaning and not s.path.endswith(".kind")] == []


def test_a_persons_own_file(file: Path) -> None:
    made = load_experiment(f"{file}:wide")
    assert made.name == "wide"
    assert made.training.learning_rate == 0.125


def test_a_ready_made_experiment_in_a_file(file: Path) -> None:
    assert load_experiment(f"{file}:ready").name == "wide"


def test_one_function_needs_no_name(tmp_path: Path) -> None:
    path = tmp_path / "one.py"
    path.write_text(
        "from workbench import load_experiment\ndef only():\n    return load_experiment('digits_rnn')"
    )
    assert load_experiment(str(path)).name == "digits_rnn"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("digits_ccn", r"Did you mean 'digits_cnn'"),
        ("nothing_like_it", r"Known: cifar10_cnn, digits_autoencoder, digits_cnn"),
        ("{file}:wid", r"Unknown function 'wid'. Did you mean 'wide'"),
        ("{file}:wrong", r"returns an Experiment, .*:wrong returned int"),
        ("{file}:needs", r"takes no arguments, .*:needs needs width"),
        ("{file}:breaks", r"ZeroDivisionError: division by zero \(line 17\)"),
        ("{file}", r"Say which experiment of .* is meant: .*mine.py:wide"),
        ("{folder}/absent.py:wide", r"No experiment file .*absent.py.*mine.py"),
    ],
)
def test_what_cannot_be_loaded_is_explained(name: str, said: str, file: Path) -> None:
    with pytest.raises(ConfigError, match=said):
        load_experiment(name.format(file=file, folder=file.parent))


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("x = 1\ny = z\n", r"NameError.*\(line 2\)"),
        ("def f(:\n", "SyntaxError"),
        ("import sys\nsys.exit(3)\n", "SystemExit"),
        (
            "from workbench.experiments.experiment import Experiment\nE = Experiment(name='')\n",
            "name",
        ),
    ],
)
def test_a_file_that_cannot_be_run(code: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "broken.py"
    path.write_text(code)
    with pytest.raises(ConfigError, match=said):
        load_experiment(f"{path}:f")


def test_the_import_path_is_left_as_it_was(file: Path) -> None:
    import sys

    before = list(sys.path)
    load_experiment(f"{file}:wide")
    assert sys.path == before


def install(folder: Path, package: str, entries: str) -> None:
    """A package as an installer leaves it."""
    described = folder / f"{package}-1.0.dist-info"
    described.mkdir()
    (described / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (described / "entry_points.txt").write_text(f"[workbench.experiments]\n{entries}\n")


def test_installed_packages_bring_experiments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "brought.py").write_text(
        "from workbench import Experiment, load_experiment\n"
        "def wide() -> Experiment:\n    return load_experiment('digits_cnn')\n"
        "def broken():\n    return 1 / 0\n"
        "number = 7\n"
    )
    own = "wide_one = brought:wide\nbroken_one = brought:broken\nnumber = brought:number\n"
    install(
        tmp_path,
        "first",
        own + "absent = nowhere:wide\ntwice = brought:wide\ndigits_rnn = brought:broken",
    )
    install(tmp_path, "second", "twice = brought:wide")
    monkeypatch.syspath_prepend(tmp_path)
    assert {"wide_one", "broken_one", "digits_cnn"} <= set(names())
    assert names().count("digits_rnn") == 1
    assert load_experiment("wide_one") == load_experiment("digits_cnn")
    assert load_experiment("digits_rnn").name == "digits_rnn"  # what ships keeps its name
    for name, message in (
        (
            "broken_one",
            r"Experiment 'broken_one' of the package first failed with ZeroDivisionError",
        ),
        (
            "absent",
            r"of the package first failed with ModuleNotFoundError: No module named 'nowhere'",
        ),
        ("number", "must be a function that returns one, got 7"),
        ("twice", "Several installed packages have an experiment 'twice': first, second"),
        ("wide_on", "Did you mean 'wide_one'"),
    ):
        with pytest.raises(ConfigError, match=message):
            load_experiment(name)
