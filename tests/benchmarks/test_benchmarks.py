"""Every benchmark starts, the smallest one runs, and results are compared and saved."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from pathlib import Path

import pytest

from benchmarks import report, table
from benchmarks.__main__ import NAMES


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
