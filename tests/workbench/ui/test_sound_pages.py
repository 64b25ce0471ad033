"""The pages of a run that was trained on sounds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nets import TensorSpec
from nets.mel import SpectrogramConfig, log_mel
from nets.statistics import Sums
from tests.workbench.ui.fill import base, open_recorder, train
from tests.workbench.ui.test_pages import open_page, text
from workbench.bridge import Prepared, store_arrays

SPEC = TensorSpec(kind="sound", shape=(4000,), dtype="int16", rate=8000)


def prepare_tones() -> Prepared:
    """Low and high tones in noise."""
    random = np.random.default_rng(0)
    label = np.arange(120) % 2
    hertz = np.where(label, 1500, 400) + random.uniform(-50, 50, 120)
    wave = np.sin(2 * np.pi * hertz[:, None] * np.arange(4000) / 8000)
    noisy = (9000 * wave + 900 * random.normal(size=wave.shape)).astype(np.int16)
    sums = Sums(64)
    sums.add(log_mel(noisy[:80], SpectrogramConfig(), SPEC).reshape(-1, 64))
    cut = {"train": slice(0, 80), "validation": slice(80, 100), "test": slice(100, 120)}
    return store_arrays(
        {name: {"features": noisy[rows], "label": label[rows]} for name, rows in cut.items()},
        SPEC,
        statistics=sums.statistics(),
        labels=("low", "high"),
        num_outputs=2,
        class_counts=(40, 40),
    )


@pytest.mark.parametrize("kind", ["cnn", "rnn"])
def test_the_pages_of_a_run_on_sounds(kind: str, empty_store: Path) -> None:
    experiment = base(kind, **{"training.epochs": 2})
    run = train(open_recorder(empty_store), experiment, "sounds", prepare_tones())
    says = {page: text(open_page(page, run=run)) for page in ("run", "health", "cnn", "rnn")}
    if kind == "cnn":
        assert "This net has no recurrent layer" in says["rnn"]
        assert "**blocks.0.conv** &nbsp; Conv2d &nbsp; :gray[16 " in says["cnn"]
    else:
        assert "This net has no convolutions" in says["cnn"]
        assert "**Hidden state** &nbsp; :gray[12 units" in says["rnn"]
        assert "open (> 0.9)" in says["rnn"]
