"""A training that starts from another net: what is taken, what it is worth, what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import nets
from nets import ConfigError, ModelFileError
from nets.config import override
from tests.workbench.ui import fill
from workbench.bridge import Prepared
from workbench.experiments import Experiment
from workbench.experiments.space import Choice, SweepConfig
from workbench.training.checks import check_prepared
from workbench.training.learner import Learner
from workbench.training.start_from import add_start


def digits(classes: range, rows: int, *, noise: float = 0.0) -> Prepared:
    """Some of the ten digits, and of them so many rows to train on.

    Args:
        noise: standard deviation of what is added to the pixels, as by another scanner.
    """
    splits, generator = {}, np.random.default_rng(0)
    for name, split in fill.digits("cnn").splits.items():
        arrays = split.read(stop=split.num_rows)
        chosen = np.isin(arrays["label"], classes)
        features = arrays["features"][chosen]
        features = (features + generator.normal(0, noise, features.shape)).clip(0, 255)
        label = (arrays["label"][chosen] - classes.start).astype(np.int64)
        keep = slice(rows) if name == "train" else slice(None)
        splits[name] = {"features": features.astype(np.uint8)[keep], "label": label[keep]}
    counts = np.bincount(splits["train"]["label"], minlength=len(classes))
    return fill.prepare_here(
        fill.digits("cnn").spec,
        splits,
        labels=tuple(map(str, classes)),
        num_outputs=len(classes),
        class_counts=tuple(counts.tolist()),
    )


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The weights of a net that knows the ten digits."""
    first = Learner(fill.base(**{"training.epochs": 8}), digits(range(10), 1000))
    while not first.finished:
        first.train_epoch()
    file = tmp_path_factory.mktemp("weights") / "first.safetensors"
    save_file(first.best_weights, file)
    return file


def test_a_net_that_learned_clean_pictures_needs_few_noisy_ones(learned: Path) -> None:
    prepared = digits(range(10), 40, noise=5.0)
    scratch = fill.base(**{"training.epochs": 12, "training.batch_size": 8})
    tuned = override(
        scratch,
        {"training.start_from": str(learned), "training.layer_rates": {"body.blocks": 0.1}},
    )
    frozen = override(tuned, {"training.layer_rates": {}, "training.freeze": {"body.blocks": None}})
    accuracy = {}
    for name, experiment in (("scratch", scratch), ("tuned", tuned), ("frozen", frozen)):
        learner = Learner(experiment, add_start(experiment, prepared))
        while not learner.finished:
            learner.train_epoch()
        accuracy[name] = learner.evaluate("test").metrics("test")["test/accuracy"]
    assert accuracy["tuned"] > accuracy["scratch"] + 0.15, accuracy
    assert accuracy["frozen"] > accuracy["scratch"] + 0.15, accuracy


def test_what_is_taken_is_said_and_the_rest_is_listed(learned: Path, tmp_path: Path) -> None:
    experiment = fill.base(**{"training.start_from": str(learned)})
    prepared = add_start(experiment, digits(range(6, 10), 24))
    (note,) = check_prepared(experiment, prepared)
    assert note.startswith(f"Started from {learned}: ")
    assert "Another shape, so new: body.output.weight (4, " in note
    net = Learner(experiment, prepared).net
    weights = nets.start.read_weights(learned).tensors
    name = "body.blocks.0.conv.weight"
    assert torch.equal(net.state_dict()[name], weights[name])
    # What is fitted on the data is this data's.
    fitted = [name for name in weights if name.startswith("prepare.")]
    assert any(not torch.equal(net.state_dict()[name], weights[name]) for name in fitted)
    # Of another library: the names of the net itself.
    save_file(
        {n.removeprefix("body."): v for n, v in weights.items() if n.startswith("body.")},
        tmp_path / "plain.safetensors",
    )
    plain = override(experiment, {"training.start_from": str(tmp_path / "plain.safetensors")})
    again = Learner(plain, add_start(plain, prepared)).net
    assert torch.equal(again.state_dict()[name], weights[name])


def test_a_run_is_a_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = fill.open_recorder(tmp_path)
    run_id = fill.train(recorder, fill.base(**{"training.epochs": 1}), "first", fill.digits("cnn"))
    recorder.close()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    experiment = fill.base(**{"training.start_from": run_id[:8]})
    prepared = add_start(experiment, fill.digits("cnn"))
    assert set(prepared.start) == {run_id[:8]}
    (note,) = check_prepared(experiment, prepared)
    total = len([n for n in prepared.start[run_id[:8]].tensors if not n.startswith("prepare.")])
    assert f"{total} of {total} tensors are taken." in note and "Its classes" not in note
    named = replace(prepared, labels=tuple("abcdefghij"))
    (note,) = check_prepared(experiment, named)
    assert "Its classes were others: 0, 1, 2, 3, 4, 5, 6, 7." in note
    with pytest.raises(ConfigError, match=r"takes a run, a folder with model.safetensors, or"):
        add_start(override(experiment, {"training.start_from": "nothing"}), prepared)


def test_weights_that_cannot_be_used_are_refused(learned: Path, tmp_path: Path) -> None:
    def start(where: Path) -> Experiment:
        return fill.base(**{"training.start_from": str(where)})

    (tmp_path / "text.safetensors").write_text("no weights")
    save_file({"other.weight": torch.ones(3)}, tmp_path / "other.safetensors")
    prepared = fill.digits("cnn")
    with pytest.raises(ConfigError, match="there is no file or folder"):
        add_start(start(tmp_path / "absent.safetensors"), prepared)
    for where in (tmp_path / "text.safetensors", tmp_path):
        with pytest.raises(ModelFileError, match="is no file of weights"):
            add_start(start(where), prepared)
    other = start(tmp_path / "other.safetensors")
    with pytest.raises(
        ConfigError, match=r"no tensor fits this net in name and shape.* other.weight"
    ):
        check_prepared(other, add_start(other, prepared))
    both = Choice(values=(str(learned), str(tmp_path / "other.safetensors")))
    swept = replace(fill.base(), sweep=SweepConfig(space={"training.start_from": both}))
    with pytest.raises(ConfigError, match="no tensor fits this net"):
        check_prepared(swept, add_start(swept, prepared))
    typo = override(start(learned), {"training.freeze": {"body.block": 2}})
    with pytest.raises(ConfigError, match=r"Unknown layer 'body.block'"):
        check_prepared(typo, add_start(typo, prepared))
