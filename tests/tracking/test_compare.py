from __future__ import annotations

import math
import statistics

import pytest

from tracking.compare import find_differences, metrics, summarize_seeds
from tracking.run import Run


def run(run_id: str, params: dict[str, str], **values: float) -> Run:
    named = {name.replace("_", "/"): value for name, value in values.items()}
    return Run(
        run_id=run_id, name=run_id, experiment="e", status="FINISHED", params=params, metrics=named
    )


def test_parameters_that_differ() -> None:
    runs = [run("a", {"x": "1", "y": "2"}), run("b", {"x": "1", "y": "3"}), run("c", {"x": "1"})]
    assert find_differences(runs) == {"y": ["2", "3", None]}
    assert find_differences(runs[:1]) == find_differences([]) == {}


def test_a_table_of_metrics() -> None:
    table = metrics([run("a", {}, loss=1.0, health_x=2.0), run("b", {}, test_loss=3.0)])
    assert list(table.index) == ["loss", "test/loss"] and list(table.columns) == ["a", "b"]
    assert table.loc["loss", "a"] == 1.0 and math.isnan(table.loc["loss", "b"])
    assert metrics([]).empty


def test_mean_and_spread_over_seeds() -> None:
    def seeded(run_id: str, rate: str, seed: int, **values: float) -> Run:
        params = {"rate": rate, "training.seed": str(seed), "data.seed": str(seed), "same": "x"}
        return run(run_id, params, **values)

    table = summarize_seeds(
        [
            seeded("z", "0.1", 0, acc=0.5),
            seeded("a", "0.2", 0, acc=0.7),
            seeded("b", "0.2", 1, acc=0.8),
            seeded("c", "0.2", 2, acc=0.9),
            seeded("without", "0.2", 3, loss=1.0),
        ],
        "acc",
    )
    assert list(table.columns) == ["rate", "runs", "mean", "std", "min", "max", "run_ids"]
    first, second = table.to_dict("records")
    assert (first["rate"], first["runs"], first["run_ids"]) == ("0.2", 3, ["a", "b", "c"])
    assert first["mean"] == pytest.approx(0.8)
    assert first["std"] == pytest.approx(statistics.stdev([0.7, 0.8, 0.9]))
    assert (first["min"], first["max"]) == (0.7, 0.9)
    assert (second["rate"], second["runs"], second["mean"]) == ("0.1", 1, 0.5)
    assert math.isnan(second["std"])


def test_no_run_has_the_metric() -> None:
    table = summarize_seeds([run("a", {"x": "1"}, loss=1.0)], "acc")
    assert table.empty and "mean" in table.columns
