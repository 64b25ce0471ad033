"""The table of runs: grouped, with columns that suit the runs, hidden and pinned ones, in saved views."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from tests.workbench.ui.test_pages import checked, open_page, text
from workbench.ui import store
from workbench.ui.inside.pages import SUIT_PICTURES, SUIT_SEQUENCES, find_page
from workbench.ui.runs import columns, groups, saved_views

Runs = dict[str, str]
ACCURACY = "best/validation/accuracy"


_VALUES = {
    "a": {"lr": "0.01", "acc": 0.8},
    "b": {"lr": "1e-2", "acc": 0.6},
    "c": {"lr": "0.1", "acc": 0.9},
    "d": {"acc": 0.1},
    "e": {"lr": "0.1"},
}


class TestMakeGroups:
    def test_mean_deviation_and_count(self) -> None:
        table = groups.make_groups(_VALUES, ["lr"], ["acc"], numbers=["lr"])
        assert table["lr"].tolist()[:2] == [0.1, 0.01] and math.isnan(table["lr"][2])
        assert table["runs"].tolist() == [2, 2, 1]
        assert table["mean acc"].tolist() == pytest.approx([0.9, 0.7, 0.1])
        assert table["± acc"][1] == pytest.approx(pd.Series([0.8, 0.6]).std())
        assert math.isnan(table["± acc"][0]), "one value has no deviation"
        assert table["n acc"].tolist() == [1, 2, 1]

    def test_a_texts_spelling_stays(self) -> None:
        table = groups.make_groups(_VALUES, ["lr"], [])
        assert set(table["lr"].dropna()) == {"0.01", "1e-2", "0.1"}

    @pytest.mark.parametrize("loss", ["loss", "best/validation/loss", "test/mse"])
    def test_less_is_better_of_a_loss(self, loss: str) -> None:
        values = {str(i): {"net": n, loss: v} for i, (n, v) in enumerate([("x", 2.0), ("y", 1.0)])}
        assert groups.make_groups(values, ["net"], [loss])["net"].tolist() == ["y", "x"]


class TestPage:
    def test_groups_are_those_of_the_runs(self, runs: Runs) -> None:
        at = open_page("runs", group="net.activation")
        table = at.dataframe[0].value.set_index("net.activation")
        every = [run for run in store.every(store.Query()) if "net.activation" in run.params]
        for activation in ("relu", "tanh"):
            own = [run for run in every if run.params["net.activation"] == activation]
            best = [run.metrics[ACCURACY] for run in own if ACCURACY in run.metrics]
            assert table.loc[activation, "runs"] == len(own)
            assert table.loc[activation, f"mean {ACCURACY}"] == pytest.approx(sum(best) / len(best))
            assert table.loc[activation, f"n {ACCURACY}"] == len(best)

    @pytest.mark.parametrize(
        ("by", "values"),
        [
            (["net.activation", "kind"], {"net.activation": "tanh", "kind": "train"}),
            (["experiment"], {"experiment": "digits_rnn"}),
            (["training.seed"], {"training.seed": 1.0}),
            (["net.hidden"], {"net.hidden": None}),
        ],
    )
    def test_the_runs_of_a_group(self, by: list[str], values: dict[str, str], runs: Runs) -> None:
        names = store.names()
        condition = groups.conditions(values, names)
        table = open_page("runs", group=",".join(by) if len(by) == 1 else by).dataframe[0].value
        for name, value in values.items():
            table = table[table[name].isna() if value is None else table[name] == value]
        assert (
            store.page(store.Query(text=condition, archived=False)).total == table["runs"].sum() > 0
        )

    def test_each_trial_of_a_random_search_is_found_by_its_rate(self, runs: Runs) -> None:
        """Rates have 17 digits: a rounded one would find no run."""
        rate = "training.learning_rate"
        every = store.values(store.Query(), [rate])
        table = groups.make_groups(every, [rate], [], numbers=[rate])
        for row in range(len(table)):
            condition = groups.conditions(groups.values_of_row(table, [rate], row), store.names())
            assert store.page(store.Query(text=condition)).total == table["runs"][row]

    def test_columns_suit_the_runs(self, runs: Runs) -> None:
        shown = open_page("runs").dataframe[0].value
        assert {ACCURACY, "test/accuracy", "training.learning_rate"} <= set(shown.columns)
        values = store.Run(
            id="0" * 32,
            name="waves",
            experiment="x",
            kind="train",
            status="FINISHED",
            start=0,
            end=1,
            params={"net.kind": "rnn", "training.loss": "mse", "training.patience": "3"},
            metrics={"best/validation/loss": 0.1, "test/mae": 0.2, "test/mse": 0.1},
        )
        assert columns.find_columns([values]) == [
            "best/validation/loss",
            "test/mse",
            "test/mae",
            "net.kind",
        ]

    def test_look_inside_opens_the_page_that_shows_the_net(self, runs: Runs) -> None:
        for name in ("cnn", "rnn"):
            run = store.run(runs[name])
            assert run is not None and find_page(run) == f"views/{name}.py"
            suits = {"cnn": SUIT_PICTURES, "rnn": SUIT_SEQUENCES}
            shown = {
                page: {r.id for r in store.recent(("train",), 50, suits[page]).rows}
                for page in suits
            }
            assert [page for page in suits if run.id in shown[page]] == [name]

    def test_hidden_and_pinned_columns_are_in_a_saved_view(self, runs: Runs) -> None:
        shown = {"hide": ["curve", "kind"], "pin": ["status"], "columns": ["training.seed"]}
        saved_views.save_view("narrow", shown | {"group": []})
        at = open_page("runs", view="narrow")
        table = at.dataframe[0]
        assert not {"curve", "kind"} & set(table.value.columns)
        assert "training.seed" in table.value.columns and "test/accuracy" not in table.value.columns
        assert (
            '"status": {"width": 90' in table.proto.columns
            and '"pinned": true' in (table.proto.columns.split('"status"')[1].split("}")[0])
        )
        at.multiselect(key="group").set_value(["experiment"]).run()
        assert "groups of" in text(checked(at))
