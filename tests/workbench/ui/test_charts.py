from __future__ import annotations

import json
import math

import numpy as np
import pytest

from workbench.ui import charts


def test_thinning_keeps_the_extremes_and_the_order() -> None:
    points = [(float(i), math.sin(i / 50)) for i in range(10_000)]
    points[5_432] = (5_432.0, 99.0)
    points[77] = (77.0, -99.0)
    kept = charts.thin(points, 500)
    assert len(kept) <= 502
    assert (5_432.0, 99.0) in kept and (77.0, -99.0) in kept
    assert kept == sorted(kept)
    assert charts.thin(points[:400], 500) == points[:400]


def test_every_cell_can_be_told_from_its_neighbours() -> None:
    spec = charts.heatmap(np.eye(3), "abc", "xyz", selectable=True)
    cells = spec["series"][0]["data"]
    assert len({cell["name"] for cell in cells}) == 9
    # row by row: what a click reports is row * columns + column
    assert [cell["value"][:2] for cell in cells[:4]] == [[0, 0], [1, 0], [2, 0], [0, 1]]


def test_what_is_no_number_is_left_out() -> None:
    values = np.array([[np.nan, 1.0], [np.inf, -1.0]])
    lines = {"a": [(1.0, math.nan), (2.0, 0.0)], "b": [(1.0, math.inf)]}
    for spec in (
        charts.heatmap(values, "ab", "cd"),
        charts.curves(lines, log=True),
        charts.bars(["a"], [math.nan]),
        charts.parallel(
            [[None, 1.0], [2.0, math.nan]], [("x", "number"), ("y", "number")], colour_by=1
        ),
    ):
        json.dumps(spec, allow_nan=False)


def test_text_in_a_cell_can_be_read_on_its_colour() -> None:
    spec = charts.heatmap(
        np.array([[0.0, 1.0]]),
        "ab",
        "c",
        show=np.array([["low", "high"]]),
        colours=("#000000", "#ffffff"),
    )
    low, high = spec["series"][0]["data"]
    assert low["label"]["color"] == "#ffffff" and high["label"]["color"] == "#1d2433"


def test_a_run_keeps_its_colour_in_every_chart() -> None:
    spec = charts.curves({"b": [(1, 1)], "b (train)": [(1, 2)]}, colour_of={"b": 3, "b (train)": 3})
    assert {series["color"] for series in spec["series"]} == {charts.COLOURS[3]}


def test_a_curve_that_does_not_change_has_an_axis_close_around_it() -> None:
    axis = charts.curves({"accuracy": [(0, 0.97), (9, 0.97)]})["yAxis"]
    assert 0.9 < axis["min"] < 0.97 < axis["max"] <= 1
    assert "min" not in charts.curves({"accuracy": [(0, 0.5), (9, 0.97)]})["yAxis"]


def test_a_level_is_a_line_from_end_to_end_within_the_axis() -> None:
    spec = charts.curves({"accuracy": [(1, 0.9), (5, 0.9)]}, level=("baseline", 0.6))
    line = spec["series"][1]
    assert line["name"] == "baseline" and line["data"] == [[1, 0.6], [5, 0.6]]
    assert spec["legend"]["show"] and spec["yAxis"].get("min", 0) <= 0.6
    assert len(charts.curves({"accuracy": []}, level=("baseline", 0.6))["series"]) == 1


def test_a_colour_bar_has_numbers() -> None:
    bar = charts.heatmap(np.array([[0.125, 2.5]]), "ab", "c")["visualMap"]
    assert bar["show"] and bar["text"] == ["2.5", "0.125"]


def test_batch_sizes_are_on_an_axis_of_powers_of_two() -> None:
    assert charts.axis("log", [32, 64, 128, 256]) == {"type": "log", "logBase": 2}
    assert charts.axis("log", [1e-4, 1e-1])["logBase"] == 10


def test_every_name_of_many_curves_is_in_the_legend() -> None:
    spec = charts.curves({f"run-{i:02d}-with-a-name": [(1, 1), (2, 2)] for i in range(16)})
    assert spec["legend"].get("type") != "scroll" and spec["grid"]["top"] > 100


def test_a_smoothed_curve_keeps_the_measured_one_pale() -> None:
    points = [(float(x), float(x % 2)) for x in range(1, 41)]
    pale, mean = charts.curves({"loss": points}, smooth=0.9)["series"]
    assert [y for _, y in pale["data"]] == [y for _, y in points]
    assert pale["lineStyle"]["opacity"] < 1
    values = [y for _, y in mean["data"]]
    assert values[0] == points[0][1], "no pull towards 0"
    assert 0.4 < values[-1] < 0.6


def test_a_logarithmic_axis_below_leaves_out_what_is_at_zero() -> None:
    spec = charts.curves({"loss": [(0.0, 3.0), (1.0, 2.0), (10.0, 1.0)]}, log_x=True)
    assert spec["xAxis"]["type"] == "log"
    assert [x for x, _ in spec["series"][0]["data"]] == [1.0, 10.0]


_LINES = {f"r{i}": [(0.0, 0.1), (1.0, i / 10), (2.0, i / 20)] for i in range(1, 31)}


class TestManyCurves:
    def test_from_worst_to_best_with_the_best_and_the_mean_over_them(self) -> None:
        spec = charts.many_curves(_LINES, mode="max")
        names = [series["name"] for series in spec["series"]]
        assert names[0] == "r1" and names[29:] == ["r30", "best: r30", "mean of 30"]
        assert [series["color"] for series in spec["series"]][:30:29] == ["#440154", "#fde725"]
        assert spec["series"][31]["data"][1] == [1.0, pytest.approx(1.55)]
        assert spec["legend"]["data"] == names[30:]

    def test_less_is_better(self) -> None:
        spec = charts.many_curves(_LINES, mode="min")
        assert "best: " in spec["series"][30]["name"]
        losses = {"high": [(0.0, 2.0)], "low": [(0.0, 1.0)]}
        assert charts.many_curves(losses, mode="min")["legend"]["data"][0] == "best: low"

    def test_the_mean_ends_where_most_lines_end(self) -> None:
        lines = {"a": [(0.0, 1.0)], "b": [(0.0, 3.0)], "c": [(0.0, 2.0), (1.0, 9.0)]}
        (mean,) = (s for s in charts.many_curves(lines, mode=None)["series"] if "mean" in s["name"])
        assert mean["data"] == [[0.0, 2.0]]


def test_a_single_epoch_is_in_the_middle_of_round_ends() -> None:
    spec = charts.curves({"validation/loss": [(1.0, 0.0529598)]})
    assert (spec["xAxis"]["min"], spec["xAxis"]["max"]) == (0, 2)
    assert (spec["yAxis"]["min"], spec["yAxis"]["max"]) == (0.0503, 0.0556)
    spec = charts.curves({"validation/loss": [(1.0, 0.5), (2.0, 0.25)]})
    assert (spec["xAxis"]["min"], spec["xAxis"]["max"]) == ("dataMin", "dataMax")
