"""Results are shown beside what answers without a net reach on the same rows."""

from __future__ import annotations

import pytest

from workbench.cli.baselines import describe_best, describe_tie, describe_worse, list_baselines
from workbench.cli.launch import _show_training
from workbench.cli.shown import show_sweep
from workbench.results import SweepResult, TrainResult, TrialResult

FORECAST = {
    "validation/loss": 0.5,
    "test/mse": 29.5,
    "test/mae": 4.0,
    "baseline/last_value/mse": 40.0,
    "baseline/last_season/mse": 23.0,
    "baseline/last_season/mae": 3.5,
    "baseline/rows": 1234.0,
}


def trial(number: int, value: float | None, **metrics: float) -> TrialResult:
    return TrialResult(
        number=number,
        run_id=f"run{number}",
        settings={"net.width": number},
        status="FINISHED",
        value=value,
        metrics=metrics,
    )


def test_baselines_stand_beside_the_nets_error_in_the_same_unit() -> None:
    shown = list_baselines(FORECAST)
    assert shown == {
        "test/mse": "29.5",
        "baseline/last_value/mse": "40",
        "baseline/last_season/mse": "23",
        "test/mae": "4",
        "baseline/last_season/mae": "3.5",
        "test rows": "1,234",
    }
    assert list_baselines({"test/accuracy": 0.9}) == {}


def test_a_net_that_is_worse_than_its_best_baseline_is_said_to_be() -> None:
    assert describe_worse(FORECAST) == (
        "The net's error (mse) 29.5 is larger than repeating the last season: 23."
    )
    assert describe_worse(FORECAST | {"test/mse": 22.0, "test/mae": 3.0}) is None
    classes = {"test/accuracy": 0.4, "baseline/commonest_class/accuracy": 0.6}
    assert describe_worse(classes) == (
        "The net's accuracy 0.4 is lower than always naming the commonest class: 0.6."
    )
    assert describe_worse({"test/accuracy": 0.4}) is None
    assert describe_worse(classes | {"test/accuracy": 0.6}) == (
        "The net's accuracy 0.6 is a tie with always naming the commonest class."
    )


def test_the_baseline_that_is_hardest_to_beat_stands_for_all() -> None:
    assert describe_best(FORECAST) == ("29.5 mse", "23 last season", "1,234")
    validation = {"validation/accuracy": 0.5, "baseline/commonest_class/accuracy": 0.5}
    assert describe_best(validation) == ("0.5 accuracy", "0.5 commonest class (a tie)", "-")
    assert describe_best({"test/accuracy": 0.4}) is None


def test_a_tie_is_said_as_a_tie() -> None:
    trials = [trial(1, 0.98876), trial(3, 0.98876), trial(4, 0.98876), trial(2, 0.9)]
    assert describe_tie(trials) == "3 trials tie at 0.9888; the first by trial number is shown."
    assert describe_tie(trials[2:]) is None
    assert describe_tie([trial(1, None), trial(2, None)]) is None
    assert describe_tie([]) is None


def test_train_shows_baselines_and_ends_with_the_sentence(
    capsys: pytest.CaptureFixture[str],
) -> None:
    result = TrainResult(run_id="0123456789", epochs=2, best_epoch=1, metrics=FORECAST)
    _show_training("load", "validation/loss", result)
    printed = capsys.readouterr().out
    assert "baseline/last_season/mse  23" in printed
    assert "test rows" in printed
    assert printed.strip().splitlines()[-1].startswith("The net's error (mse) 29.5 is larger")


def test_sweep_marks_trials_that_cannot_be_told_from_the_best(
    capsys: pytest.CaptureFixture[str],
) -> None:
    trials = [trial(1, 0.95), trial(2, 0.94), trial(3, 0.6)]
    for rows, marked in ((300, True), (300_000, False), (None, False)):
        result = SweepResult(run_id="s", trials=trials, rows=rows)
        show_sweep("digits", result, name="digits", metric="validation/accuracy", mode="max")
        printed = capsys.readouterr().out
        assert ("~ 0.94" in printed) == marked
        assert "~ 0.6" not in printed and "~ 0.95" not in printed
        said = "1 of 3 trials cannot be told from the best: on 300 validation rows"
        assert (said in printed) == marked


def test_sweep_shows_baselines_and_a_tie(capsys: pytest.CaptureFixture[str]) -> None:
    result = SweepResult(run_id="s", trials=[trial(1, 0.5, **FORECAST), trial(2, 0.5)])
    show_sweep("load", result, name="load", metric="validation/loss", mode="min")
    printed = capsys.readouterr().out
    assert "2 trials tie at 0.5; the first by trial number is shown." in printed
    assert "baseline/last_value/mse" in printed
    assert printed.strip().splitlines()[-1].startswith("The net's error (mse) 29.5 is larger")
