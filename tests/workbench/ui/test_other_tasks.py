"""Pages on runs that do not tell pictures apart: a forecast, and texts of varying length."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import streamlit as st

from tests.workbench.ui.test_pages import open_page, text
from workbench.ui import forecasts, store


@pytest.fixture
def runs(
    tasks: tuple[Path, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, str]]:
    folder, ids = tasks
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
    monkeypatch.setenv("WORKBENCH_HOME", str(folder / "home"))
    st.cache_data.clear()
    yield ids
    st.cache_data.clear()


@pytest.mark.parametrize("page", ["runs", "compare", "rnn", "cnn", "health", "launch"])
@pytest.mark.parametrize("which", ["forecast", "words", "autoencoder", "diverged", "rates"])
def test_every_page_stands_it(page: str, which: str, runs: dict[str, str]) -> None:
    open_page(page, run=runs[which], runs=",".join(runs.values()))


@pytest.mark.parametrize("part", ["Curves", "Evaluation", "Mistakes", "Net", "Reproduce"])
def test_every_part_of_a_forecasts_run(part: str, runs: dict[str, str]) -> None:
    at = open_page("run", run=runs["forecast"], part=part)
    said = text(at)
    if part == "Evaluation":
        table = at.dataframe[0].value.set_index("answer")
        assert list(table.index) == ["this net", "last value", "last season", "linear"]
        assert said.count("no better than the baseline last season") == 1
        assert "Over the first 40 windows" in said
    if part == "Curves":
        history = store.history(runs["forecast"])
        offered = [
            name for box in at.selectbox if box.key == "other_metric" for name in box.options
        ]
        assert all(len(history[name]) > 1 for name in offered), "no chart of one dot"
    if part == "Mistakes":
        assert "no classes" in said


def test_error_by_step_is_that_of_each_step(runs: dict[str, str]) -> None:
    values = forecasts.read(runs["forecast"])
    window = forecasts.read_windows(runs["forecast"], values)
    assert values.truth.shape == (40, 3, 1) and window.past.shape == (40, 8, 1)
    # the wave: a season of 4 steps, of which 3 are forecast
    season = window.guesses["last season"]
    assert np.abs(season - window.past[:, 4:7]).max() == 0
    steps = forecasts.error_by_step(values.truth, season)
    np.testing.assert_allclose(steps, np.abs(values.truth - season).mean(axis=0)[:, 0])
    assert (steps < forecasts.error_by_step(values.truth, window.guesses["last value"])).all()


def test_a_forecast_and_an_autoencoder_have_a_result_and_a_curve(runs: dict[str, str]) -> None:
    table = open_page("runs").dataframe[0].value.set_index("run")
    for name in ("forecast", "autoencoder"):
        assert table.loc[name, "result"].startswith("loss ")
        assert len(table.loc[name, "curve"]) == 3 and max(table.loc[name, "curve"]) == 1


def test_rates_that_were_tried_are_a_curve_with_the_suggestion(runs: dict[str, str]) -> None:
    said = text(open_page("run", run=runs["rates"]))
    assert "The loss falls fastest at 0.0123" in said and "before its first epoch" not in said


def test_hours_ahead_are_no_classes(runs: dict[str, str]) -> None:
    at = open_page("rnn", run=runs["forecast"])
    chosen = next(box for box in at.selectbox if box.label == "Explain the value of")
    assert chosen.options == ["1 step ahead", "2 steps ahead", "3 steps ahead"]
    specs = [chart.proto.spec for chart in at.get("echarts_chart")]
    assert any("truth, 1 step ahead" in spec for spec in specs), "the truth is a line"


def test_an_autoencoders_reconstruction_is_beside_its_input(runs: dict[str, str]) -> None:
    said = text(open_page("run", run=runs["autoencoder"], part="Evaluation"))
    assert "through a code of 8" in said
    assert said.index("**input**") < said.index("**reconstruction**") < said.index("**difference")


class TestAFailedRun:
    def test_curves_say_that_it_failed(self, runs: dict[str, str]) -> None:
        said = text(open_page("run", run=runs["diverged"]))
        assert "The loss became nan" in said and "failed before its first epoch" in said
        assert "No epoch is done yet" not in said
        assert "Training loss by step" in said and "No loss by step" not in said

    def test_the_loss_is_recorded_up_to_its_last_number(self, runs: dict[str, str]) -> None:
        losses = store.history(runs["diverged"])["step/loss"]
        assert [step for step, _ in losses] == list(range(1, len(losses) + 1))
        assert losses[0][1] < 10 and losses[-1][1] > 1e6

    def test_health_says_what_is_known(self, runs: dict[str, str]) -> None:
        said = text(open_page("health", run=runs["diverged"]))
        assert "**The training failed.** The loss became nan" in said
        assert "learning_rate 3" in said

    def test_it_does_not_empty_a_comparison(self, runs: dict[str, str]) -> None:
        ids = ",".join(runs[name] for name in ("diverged", "cnn", "cnn_slow"))
        at = open_page("compare", runs=ids, compare_part="Disagreements")
        assert "Left out, diverged: " in text(at) and "They disagree on" in text(at)
        open_page("compare", runs=ids, compare_part="Same picture")


def test_inside_pages_open_with_a_run_they_can_show(runs: dict[str, str]) -> None:
    assert "no convolutions" not in text(open_page("cnn"))
    assert "no recurrent layer" not in text(open_page("rnn"))
    assert "no convolutions" in text(open_page("cnn", run=runs["words"]))


def test_the_best_of_a_row_is_marked_and_a_small_rate_is_readable(runs: dict[str, str]) -> None:
    at = open_page("compare", runs=f"{runs['cnn']},{runs['cnn_slow']}")
    styler = at.dataframe[0].proto.arrow_data.styler
    assert "rgba(44, 155, 116" in styler.styles and b"2e-08" in styler.display_values
    names = list(at.dataframe[0].value.index)
    assert names[0].startswith("best/") and names.index("test/loss") < names.index("train/loss")
    baselines = [i for i, name in enumerate(names) if "baseline/" in name]
    assert baselines == list(range(len(names) - len(baselines), len(names))) != [], "they come last"
