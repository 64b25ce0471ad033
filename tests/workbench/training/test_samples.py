"""Labels that may be wrong, found by a trained net, its neighbours, and nothing else."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits
from typer.testing import CliRunner

from tests.workbench.ui.fill import base, digits, open_recorder, prepare_here, train
from tracking import Reader
from workbench.bridge import Prepared, kept
from workbench.cli.commands import app
from workbench.data import Correction, read_corrections
from workbench.errors import DataError
from workbench.training import samples
from workbench.training.learner import Learner

SHARE = 0.05


@pytest.fixture(scope="module")
def flipped() -> tuple[Prepared, set[str]]:
    """Digits of which one in twenty training labels is another one, and those rows' names."""
    pixels, label = load_digits(return_X_y=True)
    generator = np.random.default_rng(0)
    rows = generator.choice(1000, int(1000 * SHARE), replace=False)
    label = label.copy()
    label[rows] = (label[rows] + generator.integers(1, 10, len(rows))) % 10
    spec = digits("cnn").spec
    features = pixels.reshape(-1, *spec.shape).astype(spec.dtype)
    key = np.array([f"row-{i:04d}" for i in range(len(label))])
    cut = {"train": slice(0, 1000), "validation": slice(1000, 1300), "test": slice(1300, 1797)}
    prepared = prepare_here(
        spec,
        {
            name: {"features": features[part], "label": label[part], "key": key[part]}
            for name, part in cut.items()
        },
        labels=tuple("0123456789"),
        num_outputs=10,
        class_counts=tuple(np.bincount(label[cut["train"]]).tolist()),
    )
    return prepared, {str(key[row]) for row in rows}


def test_most_flipped_labels_are_in_the_first_tenth(flipped: tuple[Prepared, set[str]]) -> None:
    prepared, wrong = flipped
    learner = Learner(base(), prepared)
    while not learner.finished:
        learner.train_epoch()
    seen = samples.look(learner.net, prepared)
    first = seen.frame.sort_values("doubt", ascending=False).head(len(seen.frame) // 10)
    assert len(wrong & set(first["key"])) >= 0.8 * len(wrong)
    right = load_digits(return_X_y=True)[1]
    listed = first[first["key"].isin(wrong)]
    pairs = zip(listed["key"], listed["suggestion"], strict=True)
    suggested = [right[int(key[4:])] == says for key, says in pairs]
    assert np.mean(suggested) > 0.8
    assert seen.map.shape == (1000, 2)
    near = seen.near(3)
    assert len(near) == 8 and 3 not in near


def test_a_large_split_is_looked_at_evenly(flipped: tuple[Prepared, set[str]]) -> None:
    prepared, _ = flipped
    seen = samples.look(Learner(base(), prepared).net, prepared, "test", limit=50)
    assert (seen.num_rows, len(seen.frame)) == (497, 50)
    assert seen.frame["row"].iloc[[0, -1]].tolist() == [0, 496]
    arrays = prepared.splits["test"].read()
    assert np.array_equal(seen.arrays["features"], arrays["features"][seen.frame["row"]])
    with pytest.raises(DataError, match="splits train, validation, test, got 'dev'"):
        samples.look(Learner(base(), prepared).net, prepared, "dev")


def test_the_command_lists_them_and_writes_them_all(
    flipped: tuple[Prepared, set[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared, wrong = flipped
    recorder = open_recorder(tmp_path)
    run = train(recorder, base(), "flipped", prepared)
    recorder.flush()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    answer = CliRunner().invoke(
        app, ["data", "labels", run[:8], "-n", "3", "--json", "--csv", str(tmp_path / "all.csv")]
    )
    assert answer.exit_code == 0, answer.output
    listed = json.loads(answer.output)
    table = pd.read_csv(tmp_path / "all.csv")
    assert (listed["rows"], listed["looked_at"], len(table)) == (1000, 1000, 1000)
    assert [one["key"] for one in listed["samples"]] == table["key"].head(3).tolist()
    assert len(wrong & set(table["key"].head(100))) >= 0.8 * len(wrong)
    shown = CliRunner().invoke(app, ["data", "labels", run[:8], "-n", "3"]).output
    _check_filters_and_corrections(run, table, tmp_path)
    assert table["key"][0] in shown and "3 of 1,000 rows of the train split" in shown


def _check_filters_and_corrections(run: str, table: pd.DataFrame, folder: Path) -> None:
    said_3 = table[(table["label"] == 3) & (table["prediction"] == 7)]["key"].tolist()
    arguments = [
        "data",
        "labels",
        run[:8],
        "--label",
        "3",
        "--prediction",
        "7",
        "--json",
        "-n",
        "2",
    ]
    files = ["--exclude", str(folder / "out.csv"), "--relabel", str(folder / "new.csv")]
    answer = CliRunner().invoke(app, [*arguments, *files])
    assert answer.exit_code == 0, answer.output
    listed = json.loads(answer.output)
    keys = [one["key"] for one in listed["samples"]]
    assert keys == said_3[:2]
    out, new = (read_corrections(str(folder / name)) for name in ("out.csv", "new.csv"))
    assert [*out] == keys and {one.action for one in out.values()} == {"exclude"}
    suggested = {one["key"]: one["suggestion"] for one in listed["samples"]}
    assert new == {
        key: Correction(action="relabel", label=name)
        for key, name in suggested.items()
        if name != "3"
    }
    assert listed["corrections"] == {
        str(folder / "out.csv"): len(out),
        str(folder / "new.csv"): len(new),
    }
    by_loss = CliRunner().invoke(
        app, ["data", "labels", run[:8], "--by", "loss", "-n", "1", "--json"]
    )
    most = table.sort_values("loss", ascending=False)["key"].iloc[0]
    assert json.loads(by_loss.output)["samples"][0]["key"] == most
    wrong = CliRunner().invoke(app, ["data", "labels", run[:8], "--label", "cat"])
    assert wrong.exit_code == 3 and "--label must be a class of the data, 0, 1, 2" in wrong.output


def test_data_that_is_gone_is_named(
    flipped: tuple[Prepared, set[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared, _ = flipped
    recorder = open_recorder(tmp_path)
    run_id = train(recorder, base(), "gone", prepared)
    recorder.flush()
    run = Reader(f"sqlite:///{tmp_path}/mlflow.db").run(run_id)
    assert samples.find_data(run).fingerprint == prepared.fingerprint
    gone = dataclasses.replace(run, tags=run.tags | {"workbench.fingerprint": "0" * 16})
    assert kept.find("0" * 16) is None
    with pytest.raises(DataError, match=f"workbench verify {run_id[:8]}"):
        samples.find_data(gone)
