"""Each verdict fires on a case that is made for it, and stays silent on a healthy run."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from workbench.training.verdicts import (
    accuracy_band,
    are_alike,
    find_never_predicted,
    judge,
    like_best,
    noise_band,
)

HEALTHY: dict[str, Any] = {
    "train/loss": [1.0, 0.7, 0.5, 0.42, 0.38, 0.36],
    "validation/loss": [0.9, 0.65, 0.52, 0.47, 0.46, 0.46],
    "train/accuracy": [0.6, 0.7, 0.8, 0.85, 0.87, 0.88],
    "validation/accuracy": [0.65, 0.75, 0.8, 0.83, 0.84, 0.84],
}
METRICS = {
    "test/accuracy": 0.83,
    "baseline/commonest_class/accuracy": 0.5,
    "baseline/linear/accuracy": 0.8,
}
ROWS = {"validation": 1000, "test": 1000}


def names(
    curves: dict[str, list[float]] | None = None,
    metrics: dict[str, float] | None = None,
    **options: Any,
) -> list[str]:
    whole = HEALTHY | (curves or {})
    history = [
        {"epoch": float(number + 1), "learning_rate": 1e-3}
        | {name: values[number] for name, values in whole.items()}
        for number in range(6)
    ]
    chosen: dict[str, Any] = {"epochs": 6, "best_epoch": 6, "rows": ROWS} | options
    found = judge(history, METRICS | (metrics or {}), **chosen)
    assert all(verdict.text.endswith(".") and verdict.next for verdict in found)
    return [verdict.name for verdict in found]


def test_a_healthy_run_has_no_verdict() -> None:
    assert names() == []
    assert names(schedule="one_cycle", patience=3) == []
    assert judge([], {}, epochs=1, best_epoch=1) == []


def test_a_linear_model_beside_the_net_is_advised_only_where_it_is_missing() -> None:
    sentences = {
        0.8: "as good as the baseline linear, and no better: accuracy 0.8.",
        0.7: "no better than the baseline linear: accuracy 0.7 and 0.8",
    }
    for own, says in sentences.items():
        for wide in (False, True, None):
            (verdict,) = judge(
                [], METRICS | {"test/accuracy": own}, epochs=1, best_epoch=1, wide=wide
            )
            assert says in verdict.sentence
            assert ("net.wide" in verdict.next) == (wide is False)


@pytest.mark.parametrize(
    ("expected", "case"),
    [
        ("worse_than_baseline", {"metrics": {"baseline/linear/accuracy": 0.9}}),
        ("worse_than_baseline", {"metrics": {"baseline/linear/accuracy": 0.83}}),
        (
            "rate_too_high",
            {"curves": {"train/loss": [1.0, 0.6, 1.9, 0.8, 1.2, 1.4]}},
        ),
        (
            "rate_too_low",
            {
                "curves": {
                    "train/loss": [0.700, 0.699, 0.698, 0.697, 0.696, 0.695],
                }
            },
        ),
        (
            "overfitting",
            {
                "curves": {
                    "train/loss": [1.0, 0.7, 0.4, 0.2, 0.1, 0.05],
                    "validation/loss": [0.9, 0.6, 0.65, 0.7, 0.8, 0.95],
                },
                "best_epoch": 2,
            },
        ),
        ("underfitting", {"curves": {"train/accuracy": [0.5, 0.5, 0.51, 0.51, 0.52, 0.52]}}),
        (
            "still_improving",
            {"curves": {"validation/loss": [0.9, 0.8, 0.7, 0.6, 0.5, 0.4]}},
        ),
        ("classes_never_predicted", {"never_predicted": ["rare"]}),
        ("validation_unlike_test", {"metrics": {"test/accuracy": 0.81 - 0.2}}),
    ],
)
def test_each_verdict_fires_on_its_case(expected: str, case: dict[str, Any]) -> None:
    assert expected in names(**case)


def test_a_small_loss_to_the_baseline_is_called_chance_where_it_may_be() -> None:
    metrics = {"test/accuracy": 0.981, "baseline/linear/accuracy": 0.987}
    few, many = (
        judge([], metrics, epochs=1, best_epoch=1, rows={"test": rows})[0].sentence
        for rows in (370, 100_000)
    )
    assert "that chance explains on 370 rows" in few
    assert "chance" not in many and "0.981 and 0.987" in many


def test_errors_of_a_forecast_are_compared_with_their_baselines() -> None:
    metrics = {"test/mse": 29.5, "baseline/last_season/mse": 23.0, "baseline/last_value/mse": 40.0}
    found = judge([], metrics, epochs=1, best_epoch=1, has_classes=False)
    assert [verdict.name for verdict in found] == ["worse_than_baseline"]
    assert "last season: mse 29.5 and 23" in found[0].sentence
    assert judge([], metrics | {"test/mse": 20.0}, epochs=1, best_epoch=1) == []


def test_an_end_of_a_falling_rate_is_no_sign_of_too_few_epochs() -> None:
    falling = {"validation/loss": [0.9, 0.8, 0.7, 0.6, 0.5, 0.4]}
    assert names(falling, schedule="one_cycle") == []


def test_the_noise_band_is_that_of_the_rows() -> None:
    right = np.zeros(1000)
    right[:800] = 1
    low, high = noise_band(right)
    # 1.96 standard errors of 0.8 on 1,000 rows.
    assert (low, high) == pytest.approx((0.775, 0.825), abs=0.004)
    assert noise_band(right) == (low, high)
    errors = np.random.default_rng(0).normal(5, 1, 400)
    low, high = noise_band(errors)
    assert low < errors.mean() < high and high - low < 0.3
    assert np.isnan(noise_band([])).all()


def test_trials_within_the_best_ones_noise_are_marked() -> None:
    assert accuracy_band(0.8, 1000) == pytest.approx((0.775, 0.825), abs=0.004)
    values = [0.80, 0.79, 0.78, 0.70]
    marks = like_best(values, metric="validation/accuracy", rows=1000)
    assert marks == [False, True, True, False]
    assert like_best(values, metric="validation/accuracy", rows=100_000) == [False] * 4
    assert like_best(values, metric="validation/loss", rows=1000) == [False] * 4
    assert like_best([], metric="validation/accuracy", rows=1000) == []


def test_a_best_trial_without_a_mistake_has_a_noise_band_too() -> None:
    # Wilson's lower bound of n of n is n / (n + 1.96^2).
    assert accuracy_band(1.0, 179) == pytest.approx((179 / (179 + 1.96**2), 1), abs=1e-4)
    assert accuracy_band(0.0, 179) == pytest.approx((0, 1 - 179 / (179 + 1.96**2)), abs=1e-4)
    values = [1.0, 178 / 179, 170 / 179]
    assert like_best(values, metric="validation/accuracy", rows=179) == [False, True, False]


def test_small_differences_on_few_rows_are_chance() -> None:
    assert are_alike(0.80, 0.82, 1000)
    assert not are_alike(0.80, 0.90, 1000)
    assert not are_alike(0.80, 0.82, 100_000)


def test_classes_without_rows_are_not_missed() -> None:
    confusion = [[5, 0, 0], [4, 0, 0], [0, 0, 0]]  # rows: what they are; columns: what was said
    evaluation = {"labels": ["a", "b", "c"], "confusion": confusion}
    assert find_never_predicted(evaluation) == ["b"]
    assert find_never_predicted({"split": "test"}) == []
