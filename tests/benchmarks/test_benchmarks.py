"""Every benchmark starts, the smallest one runs, and results are compared and saved."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import label_errors, quality, report, table
from benchmarks.__main__ import NAMES
from benchmarks.development_sets import DEVELOPMENT_SETS


@pytest.mark.parametrize("name", NAMES)
def test_each_has_a_help_text(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [name, "--help"])
    with pytest.raises(SystemExit) as exit:
        importlib.import_module(f"benchmarks.{name}").main()
    assert exit.value.code == 0
    assert "--help" in capsys.readouterr().out


def test_the_gpu_benchmark_runs_in_small_without_a_gpu(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["gpu", "--smoke", "--rounds", "1"])
    importlib.import_module("benchmarks.gpu").main()
    out = capsys.readouterr().out
    assert "convolution" in out and "LSTM" in out and "error" in out


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> report.Report:
    monkeypatch.setattr(table, "RESULTS", tmp_path)
    return report.Report("kept", "A few figures", argparse.Namespace(no_keep=False, rounds=3))


def test_ratios_say_how_many_times_as_good_the_first_row_is(results: report.Report) -> None:
    results.add("times", "ours", [2.0, 1.0, 9.0])
    results.add("times", "slow", [6.0], target=2)
    results.add("times", "slower than asked", [3.0], target=2)
    results.add("rates", "ours", [30.0], "rows/s", limit=40)
    results.add("rates", "slow", [10.0], "rows/s", target=3)
    assert [row.get("ratio") for row in results.rows] == [None, 3.0, 1.5, None, 3.0]
    assert [row["missed"] for row in results.rows] == [False, False, True, True, False]


def test_a_report_is_saved_with_the_machine_and_the_versions(
    results: report.Report, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results.add("times", "ours", [0.0123, 0.0125])
    results.skip("times", "theirs", "not here")
    results.finish()
    saved = json.loads((tmp_path / "kept.json").read_text())
    assert saved["rows"][0]["values"] == [0.0123, 0.0125]
    assert {"torch", "python"} <= saved["machine"]["versions"].keys()
    assert saved["commit"] and saved["machine"]["cores"] and saved["options"] == {"rounds": 3}
    assert "12.4 ms" in capsys.readouterr().out


def test_rounds_alternate_in_their_order() -> None:
    order: list[str] = []
    ways = {"a": lambda: order.append("a"), "b": lambda: order.append("b")}
    times = report.run_interleaved(ways, 2, warm=0)
    assert order == ["a", "b", "b", "a"]
    assert [len(values) for values in times.values()] == [2, 2]
    assert report.run_interleaved({"timed": lambda: 4.0}, 1) == {"timed": [4.0]}


def test_the_page_on_recipes_has_the_saved_table_of_quality() -> None:
    page = (Path(__file__).parents[2] / "docs" / "recipes.md").read_text()
    kept = json.loads((quality.RESULTS / "quality.json").read_text())["sets"]
    assert "\n".join(quality.table(kept)) in page, "copy it: python -m benchmarks.quality --show"


def test_a_recipe_below_its_baseline_is_marked_where_chance_does_not_explain_it() -> None:
    def accuracies(own: float, rows: int) -> bool:
        bases = [("linear", 0.9)] * 3
        one = {"metric": "test/accuracy", "values": [own] * 3, "best_baselines": bases}
        return quality.is_below(one | {"test_rows": rows})

    assert accuracies(0.8, 1_000) and not accuracies(0.8, 30) and not accuracies(0.95, 1_000)
    errors = {"metric": "test/mse", "best_baselines": [("mean", 10.0), ("mean", 20.0)]}
    assert quality.is_below(errors | {"values": [11.0, 22.0]})
    assert not quality.is_below(errors | {"values": [9.0, 24.0]})
    assert not quality.is_below(errors | {"values": [10.1, 20.2]})


def test_flipped_labels_are_counted_in_the_first_tenth_of_the_list() -> None:
    label = np.arange(1000) % 10
    flipped, which = label_errors.flip(label, 0.05, 10, seed=0)
    assert which.sum() == 50 and ((flipped != label) == which).all()
    order = which.astype(float)
    assert label_errors.count_early(order, which) == 50
    assert label_errors.count_early(-order, which) == 0
    order[np.flatnonzero(which)[:20]] = -1
    assert label_errors.count_early(order, which) == 30


def test_names_of_sets_may_have_commas_and_any_spelling() -> None:
    assert quality.read_names("fashion_mnist,CIFAR10") == ["fashion-mnist", "cifar10"]
    with pytest.raises(argparse.ArgumentTypeError, match="unknown set 'cifar'"):
        quality.read_names("cifar")


@pytest.mark.parametrize("name", ["friedman1", "bumps", "walk", "seasons", "tones", "word-order"])
def test_a_development_set_draws_other_rows_for_each_seed(name: str, tmp_path: Path) -> None:
    first, again, other = (DEVELOPMENT_SETS[name](tmp_path, seed) for seed in (0, 0, 1))
    rows = [each.rows["test"]["features"] for each in (first, again, other)]
    assert rows[0].shape[1:] == first.spec.shape and len(first.rows["train"]["label"]) > 20
    assert (rows[0] == rows[1]).all()
    assert rows[0].shape != rows[2].shape or (rows[0] != rows[2]).any()
    assert quality.recipe_of(first).net
