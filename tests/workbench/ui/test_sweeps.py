from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from workbench.ui import sweeps
from workbench.ui.store import Run
from workbench.ui.sweeps import Sweep


def made(n: int = 40, mode: str = "max") -> Sweep:
    """Trials whose result depends on the learning rate alone."""
    rng = np.random.default_rng(0)
    rate = 10 ** rng.uniform(-4, -1, n)
    score = 1 - (np.log10(rate) + 2.5) ** 2 / 3
    trials = pd.DataFrame(
        {
            "run_id": [f"{i:032x}" for i in range(n)],
            "name": [f"trial-{i}" for i in range(n)],
            "trial": range(n),
            "status": "FINISHED",
            "stopped": "",
            "start": np.arange(n) * 2.0,
            "seconds": 1.0,
            "epochs": 3.0,
            "value": score if mode == "max" else -score,
            "training.learning_rate": rate,
            "net.activation": rng.choice(["relu", "tanh"], n),
            "training.batch_size": rng.choice([32, 64, 128], n),
        }
    )
    run = Run(
        id="0" * 32, name="s", experiment="e", kind="sweep", status="FINISHED", start=0.0, end=1.0
    )
    return Sweep(
        run=run,
        metric="validation/accuracy",
        mode="max" if mode == "max" else "min",
        axes={
            "training.learning_rate": "log",
            "net.activation": "category",
            "training.batch_size": "number",
        },
        trials=trials,
    )


@pytest.mark.parametrize("mode", ["max", "min"])
def test_importance_finds_the_setting_that_decides(mode: str) -> None:
    found = sweeps.importance(made(mode=mode))
    assert next(iter(found)) == "training.learning_rate" and found["training.learning_rate"] > 0.6
    assert sum(found.values()) == pytest.approx(1)


def test_few_trials_say_nothing_about_importance() -> None:
    assert sweeps.importance(made(5)) == {}


@pytest.mark.parametrize("mode", ["max", "min"])
def test_best_first_and_best_so_far(mode: str) -> None:
    sweep = made(mode=mode)
    values = sweep.rank()["value"].tolist()
    assert values == sorted(values, reverse=mode == "max")
    course = [value for _, value in sweeps.best_so_far(sweep)]
    assert course == sorted(course, reverse=mode == "min") and course[-1] == values[0]
    assert sweeps.best_so_far(sweep)[0][0] == 1.0, "a trial counts when it has ended"


def test_cells_cover_every_value() -> None:
    sweep = made()
    index, labels = sweeps.cells(sweep.trials["training.learning_rate"], "log", most=6)
    assert len(labels) == 6 and index.min() == 0 and index.max() == 5
    few, names = sweeps.cells(sweep.trials["training.batch_size"], "number")
    assert names == ["32", "64", "128"] and set(few) == {0, 1, 2}


def test_the_map_has_the_best_of_each_cell() -> None:
    sweep = made()
    table, xs, ys = sweeps.grid(sweep.trials, "net.activation", "training.batch_size", sweep)
    assert (xs, ys) == (["relu", "tanh"], ["32", "64", "128"])
    chosen = sweep.trials.query("`net.activation` == 'tanh' and `training.batch_size` == 64")
    assert table[1, 1] == chosen["value"].max()
    part = sweep.trials.head(1)
    assert (
        np.isfinite(sweeps.grid(part, "net.activation", "training.batch_size", sweep)[0]).sum() == 1
    )


def test_values_that_multiply_are_on_a_logarithmic_axis() -> None:
    assert sweeps._scale(pd.Series(["32", "64", "128", "256"]), None) == "log"
    assert sweeps._scale(pd.Series(["32", "64", "96"]), None) == "number"


def test_short_names_tell_settings_apart() -> None:
    names = ["net.blocks[0].channels", "net.blocks[1].channels", "training.epochs", "net.dropout"]
    assert sweeps.short_names(names, ("epochs", "trial")) == {
        "net.blocks[0].channels": "blocks[0].channels",
        "net.blocks[1].channels": "blocks[1].channels",
        "training.epochs": "training.epochs",
        "net.dropout": "dropout",
    }
    assert sweeps.short_names(["dropout", "net.dropout"])["dropout"] == "dropout"
