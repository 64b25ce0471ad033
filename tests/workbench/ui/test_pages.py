"""Every page, run by Streamlit's own test harness on real runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

import workbench.ui

APP = Path(workbench.ui.__file__).parent / "app.py"
PAGES = ("runs", "run", "compare", "sweep", "cnn", "rnn", "health", "launch", "bench")
Runs = dict[str, str]


def open_page(name: str, **query: str) -> AppTest:
    at = AppTest.from_file(str(APP), default_timeout=60)
    for key, value in query.items():
        at.query_params[key] = value
    if name != "runs":
        at.switch_page(f"views/{name}.py")
    at.run()
    return checked(at)


def checked(at: AppTest) -> AppTest:
    assert not at.exception, [e.stack_trace for e in at.exception]
    return at


def text(at: AppTest) -> str:
    """Everything a person would read on the page, in one string."""
    kinds = (at.markdown, at.caption, at.info, at.warning, at.error, at.success, at.code, at.header)
    said = [str(e.value) for kind in kinds for e in kind]
    return "\n".join(said + [f"{m.label}: {m.value}" for m in at.metric])


@pytest.mark.parametrize("page", PAGES)
def test_an_empty_store_says_what_to_do(page: str, empty_store: Path) -> None:
    at = open_page(page)
    assert at.header
    if page not in ("launch", "bench"):
        assert "workbench train digits_cnn" in text(at)


@pytest.mark.parametrize("page", ["run", "compare", "sweep", "cnn", "rnn", "health", "launch"])
@pytest.mark.parametrize("which", ["rnn", "sweep", "bare", "running"])
def test_every_page_stands_any_run(page: str, which: str, runs: Runs) -> None:
    open_page(page, run=runs[which], runs=",".join(runs.values()))


@pytest.mark.parametrize("page", ["run", "compare", "sweep", "cnn", "launch"])
@pytest.mark.parametrize("run", ["0" * 32, "../../etc/passwd", "'; drop table runs; --"])
def test_a_url_with_no_such_run_does_no_harm(page: str, run: str, runs: Runs) -> None:
    at = open_page(page, run=run, runs=run)
    if page in ("run", "cnn"):
        assert "There is no run" in text(at)


class TestCurves:
    """The curves of a run, over what they are drawn."""

    def test_how_long_it_waited_for_data(self, runs: Runs) -> None:
        shown = {one.label: one.value for one in open_page("run", run=runs["cnn"]).metric}
        assert 0 < float(shown["Waited for data"].rstrip("%")) < 100

    @pytest.mark.parametrize("across", ["epoch", "step", "rows", "time"])
    def test_every_axis(self, across: str, runs: Runs) -> None:
        at = open_page("run", run=runs["cnn"], across=across, log_x="true", smooth="0.5")
        assert "Training loss by step" in text(at)

    def test_points_lie_at_their_rows(self, runs: Runs) -> None:
        from workbench.ui import run_axis, store

        run = store.run(runs["cnn"])
        assert run is not None
        history = store.history(run.id)
        assert run_axis.names(run, history) == ["epoch", "step", "rows", "time"]
        loss = history["train/loss"]
        rows = run_axis.make(run, history, "rows")
        assert [x for x, _ in rows.of_epochs(loss)] == [1000, 2000, 3000, 4000]
        assert [y for _, y in rows.of_epochs(loss)] == [y for _, y in loss]
        steps = history["step/loss"]
        assert [x for x, _ in run_axis.make(run, history, "epoch").of_steps(steps)][-1] == 4
        time = run_axis.make(run, history, "time")
        assert time.label == "seconds of training"
        assert 0 < time.of_steps(steps)[0][0] < time.of_steps(steps)[-1][0] < 120

    def test_a_trial_without_losses_by_step_has_epochs_and_steps(self, runs: Runs) -> None:
        from workbench.ui import run_axis, store

        (trial,) = [run for run in store.children(runs["sweep"]) if run.name == "trial-002"]
        assert run_axis.names(trial, store.history(trial.id)) == ["epoch"]

    def test_an_epoch_under_way_says_how_far_it_is(self, runs: Runs) -> None:
        at = open_page("run", run=runs["running"])
        bars = [bar.proto.text for bar in at.get("progress")]
        assert bars == ["Epoch 2 of 4: 50% of 50,000 rows, 1,000 a second, 25.0 s left of it"]


class TestRuns:
    def test_lists_all_with_status_and_metrics(self, runs: Runs) -> None:
        at = open_page("runs")
        table = at.dataframe[0].value
        assert {"relu", "lstm", "sweep", "still running"} <= set(table["run"])
        by_name = table.set_index("run")
        assert by_name.loc["trial-001", "status"] == "stopped early"
        assert by_name.loc["no artifacts", "status"] == "stopped", "MLflow's KILLED"
        assert by_name.loc["relu", "best/validation/accuracy"] > 0.8
        assert len(by_name.loc["relu", "curve"]) == 4

    def test_filter_in_mlflows_syntax(self, runs: Runs) -> None:
        tests = "params.`net.activation` = 'tanh' and metrics.`test/accuracy` > 0"
        at = open_page("runs", q=f"{tests} and tags.`workbench.kind` = 'train'")
        assert set(at.dataframe[0].value["run"]) == {"tanh", "lstm"}

    def test_a_filter_that_cannot_be_read_is_explained(self, runs: Runs) -> None:
        at = open_page("runs", q="accurcy > 1")
        assert "no run has a metric, parameter or tag 'accurcy'. Did you mean accuracy" in text(at)

    def test_words_statuses_and_conditions(self, runs: Runs) -> None:
        def shown(q: str) -> set[str]:
            tables = open_page("runs", q=q).dataframe
            return set(tables[0].value["run"]) if tables else set()

        assert shown("failed") == {"trial-010"}
        assert {"no artifacts", "trial-001"} == shown("stopped")
        assert shown("digits_rnn") == {"lstm"}
        assert shown("test/accuracy > 0.1 and seed = 1") == {"tanh"}
        assert shown("kind = train (lstm or net.activation = tanh) not stopped") == {"lstm", "tanh"}
        read = text(open_page("runs", q="accuracy > 0.1 tanh"))
        assert 'metrics.`best/validation/accuracy` > 0.1 and "tanh"' in read

    def test_kind_and_order(self, runs: Runs) -> None:
        at = open_page("runs", kind="trials", sort="best/validation/accuracy")
        values = at.dataframe[0].value["best/validation/accuracy"].dropna().tolist()
        assert len(values) == 9 and values == sorted(values, reverse=True)

    def test_delete_and_restore(self, runs: Runs) -> None:
        from workbench.ui import store

        store.set_deleted([runs["bare"]], True)
        try:
            assert "no artifacts" not in set(open_page("runs").dataframe[0].value["run"])
            deleted = open_page("runs", shown="deleted").dataframe[0].value
            assert list(deleted["run"]) == ["no artifacts"]
        finally:
            store.set_deleted([runs["bare"]], False)
        assert "no artifacts" in set(open_page("runs").dataframe[0].value["run"])

    def test_archive_hides_until_asked_for_and_takes_the_trials_along(self, runs: Runs) -> None:
        from workbench.ui import store

        found = [store.run(runs[name]) for name in ("bare", "sweep")]
        store.set_archived([run for run in found if run], True)
        try:
            left = set(open_page("runs").dataframe[0].value["run"])
            assert "relu" in left and not left & {"no artifacts", "sweep", "trial-001"}
            put_away = set(open_page("runs", shown="archived").dataframe[0].value["run"])
            assert {"no artifacts", "sweep", "trial-001"} <= put_away and "relu" not in put_away
            assert len(open_page("sweep", run=runs["sweep"]).dataframe[0].value) == 10
        finally:
            store.set_archived([run for run in found if run], False)
        assert {"no artifacts", "sweep"} <= set(open_page("runs").dataframe[0].value["run"])

    def test_tag_and_note(self, runs: Runs) -> None:
        from workbench.ui import store

        store.annotate([runs["cnn"]], "keep", "yes", "The first one.")
        found = store.run(runs["cnn"])
        assert found is not None and found.tags["keep"] == "yes"
        assert "The first one." in text(open_page("run", run=runs["cnn"]))


class TestRun:
    def test_headline(self, runs: Runs) -> None:
        said = text(open_page("run", run=runs["cnn"]))
        assert "Status: finished" in said and "Epochs: 4" in said

    def test_confusion_and_classes(self, runs: Runs) -> None:
        at = open_page("run", run=runs["cnn"], part="Evaluation")
        table = at.dataframe[0].value
        assert len(table) == 10 and table["support"].sum() == 497

    def test_mistakes_are_sorted_by_confidence(self, runs: Runs) -> None:
        assert "of 497 rows" in text(open_page("run", run=runs["cnn"], part="Mistakes"))

    def test_layers(self, runs: Runs) -> None:
        table = open_page("run", run=runs["cnn"], part="Net").dataframe[0].value
        conv = table.set_index("layer").loc["body.blocks.0.conv"]
        assert conv["output"] == "16 × 8 × 8" and conv["parameters"] == 144

    def test_repeat_file_makes_the_same_experiment(self, runs: Runs, tmp_path: Path) -> None:
        import json

        from nets.config import to_dict
        from workbench.experiments import load_experiment
        from workbench.ui import experiment_file, store
        from workbench.ui.inside import artifacts

        run = store.run(runs["cnn"])
        assert run is not None
        file = tmp_path / "again.py"
        experiment = artifacts.experiment(run.id) | {"description": 'with """ and \\n in it'}
        file.write_text(experiment_file.write_source(run.id, "again.py", experiment))
        assert to_dict(load_experiment(f"{file}:again")) == json.loads(json.dumps(experiment))

    def test_a_run_on_a_dataframe_is_no_file(
        self, runs: Runs, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from workbench.ui.inside import artifacts

        record = artifacts.experiment(runs["cnn"])
        source = {"kind": "dataframe", "features": ["a", "b"], "label": "y", "plan": 7}
        changed = record | {"data": record["data"] | {"source": source}}
        monkeypatch.setattr(artifacts, "experiment", lambda _: changed)
        at = open_page("run", run=runs["cnn"], part="Reproduce")
        assert "columns a, b, label y. It is not readable from elsewhere." in text(at)
        [code, *_] = [each.value for each in at.code]
        assert f'wb.run("{runs["cnn"]}").experiment, data=df' in code
        assert not any("workbench train" in each.value for each in at.code)

    @pytest.mark.parametrize("part", ["Evaluation", "Mistakes", "Net", "Reproduce"])
    def test_missing_artifacts_are_named(self, part: str, runs: Runs) -> None:
        assert "this run has no" in text(open_page("run", run=runs["bare"], part=part))


class TestLog:
    def test_the_end_of_the_processs_log_without_passwords(
        self, runs: Runs, tmp_path: Path
    ) -> None:
        import os
        import time

        from mlflow import MlflowClient

        from workbench.home import logs_folder
        from workbench.ui import store

        run_id = runs["running"]
        MlflowClient(os.environ["MLFLOW_TRACKING_URI"]).set_tag(run_id, "workbench.pid", "4242")
        found = store.run(run_id)
        assert found is not None and found.start is not None
        folder = logs_folder()
        folder.mkdir(parents=True)
        at = time.strftime("%Y%m%d-%H%M%S", time.localtime(found.start))
        said = "\n".join(f"line {i}" for i in range(500))
        (folder / f"{at}-4242.log").write_text(f"{said}\nat postgresql://me:hush@db/x\n")
        store.forget()
        shown = open_page("run", run=run_id, part="Log").code[0].value
        assert "line 499" in shown and "line 100\n" not in shown
        assert "hush" not in shown and "postgresql://me:***@db/x" in shown

    def test_a_run_without_one_says_so(self, runs: Runs) -> None:
        assert "No log of this run" in text(open_page("run", run=runs["cnn"], part="Log"))


class TestInsideCNN:
    @pytest.mark.parametrize(
        "show",
        [
            "Feature maps",
            "Filters",
            "See it form",
            "What excites it",
            "Attribution",
            "Step by step",
            "Made to excite",
        ],
    )
    @pytest.mark.parametrize("epoch", ["0", "4"])
    def test_every_view_at_any_epoch(self, show: str, epoch: str, runs: Runs) -> None:
        at = open_page("cnn", run=runs["cnn"], show=show, epoch=epoch)
        assert at.get("imgs") or at.get("image"), "there are pictures on the page"
        if show == "Attribution":
            drawn = [element.proto.body for element in at.get("html")]
            assert any("workbench-scale" in body for body in drawn), "what its colours mean"
        assert not at.info and not at.warning, text(at)

    @pytest.mark.parametrize(
        ("what", "first", "last"),
        [("filters", 1, 3), ("feature maps", 1, 3), ("filters", 3, 3)],
    )
    def test_every_epoch_is_a_frame_and_two_are_compared(
        self, what: str, first: int, last: int, runs: Runs
    ) -> None:
        pair = [str(first), str(last)]
        at = open_page("cnn", run=runs["cnn"], show="See it form", forming=what, forming_pair=pair)
        captions = [str(e.proto.imgs[0].caption) for e in at.get("image")][-3:]
        assert captions == [f"epoch {first}", f"epoch {last}", f"epoch {last} minus epoch {first}"]
        assert "They differ by" in text(at)

    def test_a_run_without_epochs_says_how_to_get_them(self, runs: Runs) -> None:
        from workbench.ui import store, sweeps

        run = store.run(runs["sweep"])
        assert run is not None
        best = sweeps.read(run).rank().iloc[0]["run_id"]
        at = open_page("cnn", run=best, show="See it form")
        assert "kept one set of weights" in text(at)
        (link,) = at.main.get("page_link")
        assert link.proto.label.startswith("Train it alone") and best in link.proto.query_string

    def test_the_epoch_changes_what_is_said(self, runs: Runs) -> None:
        tables = [
            open_page("cnn", run=runs["cnn"], epoch=epoch)
            .dataframe[0]
            .value["probability"]
            .tolist()
            for epoch in ("0", "4")
        ]
        assert tables[0] != tables[1]

    def test_step_by_step_adds_up(self, runs: Runs) -> None:
        said = text(open_page("cnn", run=runs["cnn"], show="Step by step", layer="blocks.1.conv"))
        assert "the other 15 input channels" in said

    def test_a_net_without_convolutions_is_sent_elsewhere(self, runs: Runs) -> None:
        assert "no convolutions" in text(open_page("cnn", run=runs["rnn"]))


class TestInsideRNN:
    def test_states_gates_and_attribution(self, runs: Runs) -> None:
        at = open_page("rnn", run=runs["rnn"])
        said = text(at)
        assert "Hidden state" in said and "Cell state" in said and "On average closed" in said
        checked(at.number_input(key="sample").set_value(7).run())

    def test_a_cnn_is_sent_elsewhere(self, runs: Runs) -> None:
        assert "no recurrent layer" in text(open_page("rnn", run=runs["cnn"]))


class TestHealth:
    def test_verdict_and_table(self, runs: Runs) -> None:
        at = open_page("health", run=runs["cnn"])
        assert at.warning or at.success or at.error, "there is a verdict"
        frames = [d.value for d in at.dataframe if "activation" in d.value]
        assert list(frames[0]["activation"]) == ["ReLU", "ReLU", "ReLU"]

    @pytest.mark.parametrize("what", ["dead_share", "gradient_norm", "weight_norm", "update_ratio"])
    def test_every_map(self, what: str, runs: Runs) -> None:
        open_page("health", run=runs["cnn"], health_of=what)


class TestCompare:
    @pytest.mark.parametrize(
        "part", ["Curves", "Settings", "Same picture", "By class", "Disagreements"]
    )
    def test_every_part(self, part: str, runs: Runs) -> None:
        both = f"{runs['cnn']},{runs['cnn_tanh']}"
        at = open_page("compare", runs=both, compare_part=part)
        assert not at.info and not at.warning, text(at)

    def test_only_what_differs(self, runs: Runs) -> None:
        at = open_page("compare", runs=f"{runs['cnn']},{runs['cnn_tanh']}", compare_part="Settings")
        assert list(at.dataframe[0].value.index) == ["net.activation", "training.seed"]

    def test_different_kinds_of_net_say_why_not(self, runs: Runs) -> None:
        both = f"{runs['cnn']},{runs['rnn']}"
        said = text(open_page("compare", runs=both, compare_part="Same picture"))
        assert "This net takes samples of" in said


def test_runs_of_one_name_are_all_compared() -> None:
    """By the first digits of their ids, or by more of them where these are the same."""
    from workbench.ui import store
    from workbench.ui.comparing.names import short_names

    def name(*ids: str) -> list[str]:
        values = {"name": "trial", "experiment": "x", "kind": "trial", "status": "FINISHED"}
        runs = [store.Run(id=i, start=None, end=None, **values) for i in ids]
        return list(short_names(runs).values())

    assert name("a" * 32) == ["trial"]
    assert name("a" * 32, "b" * 32) == ["trial aaaaa", "trial bbbbb"]
    assert name("a" * 32, "a" * 7 + "b" * 25) == ["trial aaaaaaaa", "trial aaaaaaab"]
    assert len(set(name("0" * 31 + "1", "0" * 31 + "2", "1" * 32))) == 3


class TestCompareMany:
    """More runs than have a colour or a column each."""

    @pytest.mark.parametrize(
        "part", ["Curves", "Settings", "Same picture", "By class", "Disagreements"]
    )
    def test_every_part(self, part: str, runs: Runs) -> None:
        from workbench.ui import store

        trials = [run.id for run in store.children(runs["sweep"])]
        every = [runs["cnn"], runs["cnn_tanh"], runs["rnn"], *trials]
        at = open_page("compare", runs=",".join(every), compare_part=part)
        if part == "Curves":
            table = at.dataframe[0].value
            assert len(table) == len(every) == 13 and "relu" in table.index
            assert "training.learning_rate" in table.columns, "what differs stands beside it"
            marked, _, style = at.dataframe[0].proto.arrow_data.styler.styles.partition("{")
            assert "rgba(44, 155, 116" in style and marked.count("_col") >= 3
        if part == "Settings":
            table = at.dataframe[0].value
            assert list(table.index)[:2] == ["relu", "tanh"] and "net.activation" in table.columns
        if part == "Disagreements":
            assert "They disagree on" in text(at)


class TestSweep:
    def test_trials_best_first_and_what_was_stopped(self, runs: Runs) -> None:
        at = open_page("sweep", run=runs["sweep"])
        table = at.dataframe[0].value
        values = table["validation/accuracy"].dropna().tolist()
        assert values == sorted(values, reverse=True) and len(table) == 10
        stopped = table.set_index("trial")["stopped"]
        assert stopped[1] == "asha at epoch 1" and stopped[10] == "The loss became NaN."
        assert "Stopped early: 1" in text(at) and "Failed: 1" in text(at)
        assert "press the square above the chart, then drag" in text(at)
        # 300 validation rows: an accuracy of 0.9 lies within 0.035 by chance.
        alike = table.set_index("trial")["like the best"].eq("~")
        best = values[0]
        assert alike.any() and not alike.all()
        assert best - table.set_index("trial")["validation/accuracy"][alike].min() < 0.05
        assert f"{alike.sum()} of 9 trials cannot be told from the best" in text(at)

    def test_the_baseline_is_a_line(self, runs: Runs) -> None:
        from workbench.ui import store, sweeps

        run = store.run(runs["sweep"])
        assert run is not None
        sweep = sweeps.read(run)
        assert sweep.rows == 300
        name, height = sweeps.baseline(sweep) or ("", 0.0)
        assert name == "baseline: linear" and 0.8 < height < 1

    def test_a_fork_has_the_sweeps_own_space(self, runs: Runs) -> None:
        at = open_page("launch", run=runs["sweep"], what="sweep")
        space = next(m for m in at.multiselect if m.label == "Settings to search")
        asked = ["training.learning_rate", "training.batch_size", "net.activation"]
        assert sorted(space.value) == sorted(asked)
        assert at.code[0].value.endswith(":again"), "nothing is changed yet"


class TestLaunch:
    def test_the_command_says_only_what_was_changed(self, runs: Runs) -> None:
        at = open_page("launch", base="digits_cnn")
        assert at.code[0].value == "workbench train digits_cnn"
        at.number_input(key="set_digits_cnn_training.epochs").set_value(2).run()
        assert checked(at).code[0].value == "workbench train digits_cnn --set training.epochs=2"

    def test_a_wrong_value_is_named_and_cannot_be_started(self, runs: Runs) -> None:
        at = open_page("launch", base="digits_cnn")
        at.text_input(key="set_digits_cnn_training.learning_rate").set_value("-1").run()
        assert "greater than 0" in text(checked(at))
        assert at.button(key="start").disabled

    def test_from_a_run_it_starts_with_the_runs_settings(self, runs: Runs) -> None:
        at = open_page("launch", run=runs["cnn_tanh"])
        command = at.code[0].value
        assert "run_" in command and command.endswith(".py:again")
        key = next(n.key for n in at.number_input if n.key.endswith("training.seed"))
        assert at.number_input(key=key).value == 1
        at.number_input(key=key).set_value(5).run()
        assert checked(at).code[0].value.endswith("--set training.seed=5")

    def test_the_layers_follow_what_is_typed(self, runs: Runs) -> None:
        at = open_page("launch", base="digits_cnn")
        assert "parameters**" in text(at) and "input 1 × 8 × 8" in text(at)
        layers = next(d.value for d in at.dataframe if "parameters" in d.value)
        assert layers["output"].iloc[-1] == "10"
        at.text_input(key="set_digits_cnn_net.dense").set_value("[7]").run()
        layers = next(d.value for d in checked(at).dataframe if "parameters" in d.value)
        assert "7" in set(layers["output"])

    def test_a_sweep_over_chosen_settings(self, runs: Runs) -> None:
        at = open_page("launch", base="digits_cnn", what="sweep")
        at.multiselect(key="space_digits_cnn").set_value(["training.optimizer"]).run()
        assert "sweep.space" in checked(at).code[0].value
        assert "workbench sweep digits_cnn" in at.code[0].value
        assert not at.button(key="start").disabled

    def test_an_experiment_file_below_the_working_directory(
        self, runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        source = "from workbench.experiments import load_experiment\n"
        source += "def mine():\n    return load_experiment('digits_cnn')\n"
        here, elsewhere = tmp_path / "here", tmp_path / "elsewhere.py"
        here.mkdir()
        monkeypatch.chdir(here)
        (here / "own.py").write_text(source)
        elsewhere.write_text(source)
        at = open_page("launch", base="own.py:mine")
        assert at.code[0].value == "workbench train own.py:mine"
        at = open_page("launch", base=f"{elsewhere}:mine")
        assert "lies in" in at.error[0].value and "workbench train" in at.error[0].value


def test_a_tab_follows_the_address(runs: Runs) -> None:
    at = open_page("run", run=runs["cnn"])
    assert "Training loss by step" in text(at)
    at.query_params["part"] = "Evaluation"  # as Forward sends it
    assert "Click a cell to see" in text(checked(at.run()))
    del at.query_params["part"]  # and Back
    assert "Training loss by step" in text(checked(at.run()))
