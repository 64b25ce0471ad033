"""Regression in the labels' own units: what is undone after the body, and what travels with the net."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import nets
from nets import PreparationConfig, RNNConfig, Sums, TensorSpec, TrainingConfig
from nets.batches import Batch, batches, num_batches
from nets.fit import Fit
from nets.prepare import make
from nets.pyfunc import Predictor
from nets.restore import make as make_restore
from nets.statistics import Statistics
from nets.text import PADDING, UNKNOWN, TextEncoding

SPEC = TensorSpec(kind="series", shape=(6, 2))


def figures(values: np.ndarray) -> Statistics:
    sums = Sums(values.shape[1])
    sums.add(values)
    return sums.statistics()


def test_outputs_are_in_the_units_of_the_labels() -> None:
    labels = np.random.default_rng(0).normal([1e5, -3.0], [2e4, 0.1], (500, 2))
    restore = make_restore(PreparationConfig(), figures(labels))
    assert restore is not None
    out = restore(torch.tensor([[0.0, 0.0], [1.0, -1.0]]), torch.zeros(2, 6, 2))
    np.testing.assert_allclose(out[0], labels.mean(0), rtol=1e-5)
    np.testing.assert_allclose(out[1] - out[0], labels.std(0) * [1, -1], rtol=1e-3)


def test_a_change_is_counted_from_the_last_valid_step() -> None:
    config = PreparationConfig(targets="change")
    restore = make_restore(config, figures(np.array([[-1.0], [1.0]])), (1,))
    assert restore is not None
    features = torch.arange(24.0).reshape(2, 6, 2)
    assert restore(torch.zeros(2, 1), features)[:, 0].tolist() == [11.0, 23.0]
    shorter = restore(torch.zeros(2, 1), features, torch.tensor([2, 6]))
    assert shorter[:, 0].tolist() == [3.0, 23.0]


def test_a_regression_far_from_zero_is_learned_and_survives_saving(tmp_path: Path) -> None:
    """Without the last layer, a few epochs would not even find the mean of 50,000."""
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(256, 6, 2, generator=generator)
    label = 50_000 + 1_000 * features[:, -1, 0]
    sums = Sums(12)
    sums.add(features.flatten(1).numpy())
    measured: Any = {"loss": "mse", "monitor": "validation/loss", "mode": "min"}
    config = TrainingConfig(epochs=15, batch_size=32, learning_rate=1e-2, **measured)
    net = nets.build(
        RNNConfig(cell="gru", hidden=16),
        SPEC,
        1,
        prepare=make(PreparationConfig(), SPEC, sums.statistics()),
        restore=make_restore(PreparationConfig(), figures(label[:, None].numpy())),
    )
    fit = Fit(net, config, steps_per_epoch=num_batches(256, 32))
    data = Batch(features, label)
    while fit.epoch < config.epochs:
        fit.train_epoch(batches(data, 32, seed=0, epoch=fit.epoch))
    measured = fit.evaluate(batches(data, 64, seed=0, epoch=0, shuffle=False)).metrics("train")
    assert measured["train/mae"] < 200  # always saying the mean would be off by 800
    nets.save(net.eval(), tmp_path)
    loaded = nets.load(tmp_path)
    torch.testing.assert_close(loaded(features), net(features))
    answered = Predictor(loaded).predict(
        pd.DataFrame({"features": [row.numpy().tobytes() for row in features[:3]]})
    )
    np.testing.assert_allclose(answered["prediction"], net(features[:3])[:, 0].detach(), rtol=1e-5)


@pytest.mark.parametrize("method", ["standardize", "center", "scale"])
def test_padding_stays_zero_and_shorter_series_have_figures_by_channel(method: str) -> None:
    steps = np.random.default_rng(1).normal([3.0, -40.0], [2.0, 9.0], (400, 2))
    prepare = make(PreparationConfig(method=method), SPEC, figures(steps))  # type: ignore[arg-type]
    x = torch.full((3, 6, 2), 17.0)
    length = torch.tensor([6, 1, 4])
    out = prepare(x, length)
    assert out.shape == (3, 6, 2)
    for row, valid in enumerate(length):
        assert not out[row, valid:].any()
        torch.testing.assert_close(out[row, :valid], prepare(x)[row, :valid])


def test_a_net_of_text_takes_text_again_after_loading(tmp_path: Path) -> None:
    words = (PADDING, UNKNOWN, "good", "bad")
    text = TextEncoding(tokenizer="words", lowercase=True, max_length=4, vocabulary=words)
    spec = TensorSpec(kind="tokens", shape=(4,), dtype="int32", vocabulary_size=4)
    net = nets.build(RNNConfig(hidden=8, embedding=4), spec, 2)
    net.text = text
    nets.save(net, tmp_path, labels=("no", "yes"))
    predictor = Predictor(nets.load(tmp_path))
    said = predictor.predict(pd.DataFrame({"text": ["Good, bad", None, ""]}))
    ids = np.array([[2, 1, 3, 0], [0] * 4, [0] * 4], np.int32)
    encoded = pd.DataFrame({"features": [row.tobytes() for row in ids], "length": [3, 0, 0]})
    expected = predictor.predict(encoded)
    # From text, predictions are doubles: blank text has none.
    pd.testing.assert_frame_equal(said[:1], expected[:1], check_dtype=False)
    assert said["prediction"][1:].isna().all()


def test_text_for_a_net_that_reads_none_is_refused() -> None:
    predictor = Predictor(nets.build(RNNConfig(hidden=4), SPEC, 1))
    with pytest.raises(nets.ConfigError, match=r"reads series \(6, 2\), not text"):
        predictor.predict(pd.DataFrame({"text": ["a"]}))
