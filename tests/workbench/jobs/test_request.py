"""Requests of clients to the bench."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nets import ConfigError
from nets.config import to_dict
from tests.workbench.small import digits
from workbench.data.sources import TableSource
from workbench.errors import WorkbenchError
from workbench.jobs.request import Request


def test_a_request_is_the_same_after_json() -> None:
    request = Request(
        kind="sweep",
        experiment="digits_cnn",
        changes={"training.epochs": "2"},
        command=("workbench", "sweep"),
    )
    assert Request.from_dict(json.loads(json.dumps(request.as_dict()))) == request
    assert request.load().training.epochs == 2
    assert request.title == "sweep digits_cnn, 1 changed"


def test_a_whole_experiment_travels_as_data() -> None:
    tree = json.loads(json.dumps(to_dict(digits())))
    request = Request(
        kind="train", experiment="my.py:wide", tree=tree, changes={"training.seed": 7}
    )
    assert request.load().net == digits().net
    assert request.load().training.seed == 7


def test_data_is_named_by_its_path_and_corrected(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n1,2\n3,4\n")
    request = Request(
        kind="describe",
        experiment=str(tmp_path / "t.csv"),
        changes={"data.source.label": "a", "data.split.test": "0.5"},
        samples="sheet.png",
    )
    assert Request.from_dict(json.loads(json.dumps(request.as_dict()))) == request
    data = request.load().data
    assert isinstance(data.source, TableSource)
    assert data.source.label == "a" and data.split.test == 0.5


def test_no_file_is_run_for_a_client(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("raise SystemExit('run')")
    for name in (f"{tmp_path}/mine.py", f"{tmp_path}/mine.py:wide"):
        with pytest.raises(WorkbenchError, match="names a shipped experiment or has a tree"):
            Request(kind="train", experiment=name).load()
        with pytest.raises(WorkbenchError, match="names a shipped experiment or has a tree"):
            Request(kind="describe", experiment=name).load()


def test_a_wrong_request_is_refused() -> None:
    with pytest.raises(WorkbenchError, match="train, sweep, describe, got 'dance'"):
        Request.from_dict({"kind": "dance", "experiment": "digits_cnn"})
    with pytest.raises(ConfigError, match="digits_cnn"):
        Request(kind="train", experiment="digit_cnn").load()
