"""What the pages show of attention layers, in nets of a person's own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import streamlit as st

from nets import Custom
from tests.nets.test_custom import run_file
from tests.workbench.ui.fill import base, digits, open_recorder, train
from tests.workbench.ui.test_pages import open_page, text
from workbench.ui.inside import artifacts, cache
from workbench.ui.inside.cache import NetInput

NETS = '''
from torch import nn


class Patches(nn.Module):
    """Sixteen patches of a picture of 8 x 8 that look at one another."""

    def __init__(self, spec, num_outputs):
        super().__init__()
        self.cut = nn.Conv2d(1, 8, 2, stride=2)
        self.look = nn.MultiheadAttention(8, 2, batch_first=True)
        self.output = nn.Linear(8, num_outputs)

    def forward(self, x):
        x = self.cut(x).flatten(2).transpose(1, 2)
        x, _ = self.look(x, x, x, need_weights=False)
        return self.output(x.mean(1))


class Steps(nn.Module):
    """Steps of a series that look at one another, without a recurrence."""

    def __init__(self, spec, num_outputs):
        super().__init__()
        self.look = nn.MultiheadAttention(spec.shape[1], 2, batch_first=True)
        self.output = nn.Linear(spec.shape[1], num_outputs)

    def forward(self, x, length=None):
        x, _ = self.look(x, x, x)
        return self.output(x.mean(1))
'''


@pytest.fixture(scope="module")
def looking(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    folder = tmp_path_factory.mktemp("attention")
    (folder / "own_looking.py").write_text(NETS)
    own = run_file(folder, "own_looking")
    recorder = open_recorder(folder)
    short = base(**{"training.epochs": 1})
    runs = {
        "cnn": train(recorder, replace(short, net=Custom(own.Patches)), "cnn", digits("cnn")),
        "rnn": train(recorder, replace(short, net=Custom(own.Steps)), "rnn", digits("rnn")),
    }
    recorder.flush()
    return folder, runs


@pytest.fixture
def runs(looking: tuple[Path, dict[str, str]], monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    folder, ids = looking
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
    monkeypatch.setenv("WORKBENCH_HOME", str(folder / "home"))
    monkeypatch.setenv("WORKBENCH_TRUST_CODE", "1")
    st.cache_data.clear()
    return ids


def test_patches_of_a_picture_look_at_one_another(runs: dict[str, str]) -> None:
    at = open_page("cnn", run=runs["cnn"], show="Attention")
    (layer,) = [box for box in at.selectbox if box.label == "Attention layer"]
    assert layer.options == ["net.look"]
    (patch,) = [slider for slider in at.slider if slider.label == "Patch that looks"]
    assert (patch.min, patch.max) == (0, 15)
    assert "of 16 places" in text(at)
    kept = artifacts.samples(runs["cnn"])
    (maps,) = cache.attention(runs["cnn"], None, NetInput(*kept.one(0), name="first")).values()
    assert maps.shape == (1, 2, 16, 16)
    np.testing.assert_allclose(maps.sum(axis=3), 1, atol=1e-5)


def test_steps_of_a_series_look_at_one_another_without_a_recurrence(runs: dict[str, str]) -> None:
    at = open_page("rnn", run=runs["rnn"])
    said = text(at)
    assert "of 8 places" in said and "no recurrent layer" not in said
    assert "Hidden state" not in said
    assert "no convolutions" in text(open_page("cnn", run=runs["rnn"]))
    assert "no recurrent layer" in text(open_page("rnn", run=runs["cnn"]))
