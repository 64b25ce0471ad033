"""The reliability diagram of a classifier, by hand and on a run."""

from __future__ import annotations

import numpy as np
import pytest

from tests.workbench.ui.test_pages import Runs, open_page, text
from workbench.ui import calibration, store
from workbench.ui.inside import artifacts


def test_ranges_hold_their_upper_end_and_empty_ones_are_left_out() -> None:
    table = calibration.make_bins([0.2, 0.81, 0.9, 1.0, 0.95], [True, True, False, True, False])
    assert table["from"].tolist() == [0.1, 0.8, 0.9] and table["to"].tolist() == [0.2, 0.9, 1.0]
    assert table["rows"].tolist() == [1, 2, 2]
    np.testing.assert_allclose(table["confidence"], [0.2, 0.855, 0.975])
    np.testing.assert_allclose(table["right"], [1, 0.5, 0.5])
    # One right answer of one says little: Wilson's interval, where a standard error would be 0
    np.testing.assert_allclose(table["low"], [0.2065, 0.0945, 0.0945], atol=1e-3)
    np.testing.assert_allclose(table["high"], [1, 0.9055, 0.9055], atol=1e-3)
    assert calibration.mean_gap(table) == pytest.approx((0.8 + 2 * 0.355 + 2 * 0.475) / 5)


def test_sure_and_right_apart_by_a_known_share() -> None:
    generator = np.random.default_rng(0)
    confidence = generator.uniform(0.5, 1, 200_000)
    honest = generator.random(200_000) < confidence
    assert calibration.mean_gap(calibration.make_bins(confidence, honest)) < 0.01
    boasting = generator.random(200_000) < confidence - 0.2
    table = calibration.make_bins(confidence, boasting)
    assert calibration.mean_gap(table) == pytest.approx(0.2, abs=0.01)


def test_the_evaluation_of_a_classifier_shows_it(runs: Runs) -> None:
    at = open_page("run", run=runs["cnn"], part="Evaluation")
    predictions = artifacts.predictions(runs["cnn"])
    right = predictions["label"] == predictions["prediction"]
    run = store.run(runs["cnn"])
    assert run is not None
    assert right.mean() == pytest.approx(run.metrics["test/accuracy"])
    said = text(at)
    assert f"**{right.mean():.1%}** right" in said
    assert f"Over {len(predictions):,} rows of the test split" in said
    shown = next(t.value for t in at.dataframe if "confidence" in t.value)
    assert shown["rows"].sum() == len(predictions)
