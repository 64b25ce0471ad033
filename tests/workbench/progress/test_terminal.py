from __future__ import annotations

import io

import pytest
from rich.console import Console

from workbench.progress import TrialNews
from workbench.progress.terminal import Board, Terminal, metrics_line, number_text, settings_line


def console(*, terminal: bool) -> Console:
    return Console(file=io.StringIO(), force_terminal=terminal, width=120, highlight=False)


def printed(on: Console) -> str:
    assert isinstance(on.file, io.StringIO)
    return on.file.getvalue()


def run_a_sweep(progress: Terminal) -> None:
    progress.stage("Starting Ray")
    progress.stage("Starting Spark on Ray")
    progress.stage_done()
    progress.trial(TrialNews(1, 3, "RUNNING", {"net.activation": "relu"}, {}))
    progress.trial(TrialNews(2, 3, "RUNNING", {"net.activation": "tanh"}, {}))
    progress.trial(
        TrialNews(1, 3, "FINISHED", {"net.activation": "relu"}, {"validation/accuracy": 0.5})
    )
    progress.trial(
        TrialNews(2, 3, "STOPPED", {"net.activation": "tanh"}, {"validation/accuracy": 0.25})
    )
    progress.note("2 of 3")


def test_lines_where_there_is_no_terminal() -> None:
    on = console(terminal=False)
    with Terminal(on) as progress:
        run_a_sweep(progress)
    lines = printed(on).splitlines()
    assert lines[0] == "Starting Ray ..."
    assert lines[1].startswith("Starting Ray: done in 0.")
    assert lines[3].startswith("Starting Spark on Ray: done in")
    assert lines[4:] == [
        "trial 1/3  FINISHED  validation/accuracy 0.5  net.activation=relu",
        "trial 2/3  STOPPED  validation/accuracy 0.25  net.activation=tanh",
        "2 of 3",
    ]


def test_a_live_display_keeps_the_steps_and_clears_the_rest() -> None:
    on = console(terminal=True)
    with Terminal(on) as progress:
        run_a_sweep(progress)
        assert progress._display._live.is_started  # type: ignore[attr-defined]
    shown = printed(on)
    assert "Starting Ray" in shown and "✓" in shown
    assert shown.endswith("\x1b[?25h") or "\x1b[?25h" in shown  # the cursor is back


def test_the_live_table_is_ranked() -> None:
    on = console(terminal=True)
    progress = Terminal(on)
    with progress:
        run_a_sweep(progress)
        on.print(progress._display._render())  # type: ignore[attr-defined]
    table = printed(on).split("best so far")[-1]
    assert table.index("relu") < table.index("tanh")


def test_an_error_ends_the_step_as_failed() -> None:
    on = console(terminal=False)
    with pytest.raises(ValueError), Terminal(on) as progress:
        progress.stage("Reading")
        raise ValueError
    assert "Reading: failed after" in printed(on)


def test_an_epoch_is_shown_with_its_metrics() -> None:
    on = console(terminal=False)
    with Terminal(on) as progress:
        progress.epoch("digits", 2, 5, {"train/loss": 0.12345, "validation/accuracy": 1.0})
    assert printed(on) == "digits  epoch 2/5  train/loss 0.1235  validation/accuracy 1\n"


def test_text_with_brackets_is_printed_as_it_is() -> None:
    on = console(terminal=False)
    with Terminal(on) as progress:
        progress.note("[red]blocks[/red] [16, 32]")
    assert printed(on) == "[red]blocks[/red] [16, 32]\n"


@pytest.mark.parametrize(("mode", "expected"), [("max", [2, 1, 3]), ("min", [1, 2, 3])])
def test_trials_without_a_value_come_last(mode: str, expected: list[int]) -> None:
    board = Board("m", mode)
    board.put(TrialNews(3, 3, "FAILED", {}, {"m": float("nan")}))
    board.put(TrialNews(1, 3, "FINISHED", {}, {"m": 0.1}))
    board.put(TrialNews(2, 3, "FINISHED", {}, {"m": 0.2}))
    assert board.rank() == expected


def test_repeats_of_a_setting_are_one_row_with_their_mean() -> None:
    on = console(terminal=True)
    values = [("relu", 0.99), ("tanh", 0.8), ("relu", 0.5), ("tanh", 0.9)]
    with Terminal(on) as progress:
        for number, (activation, value) in enumerate(values, 1):
            settings = {"net.activation": activation, "training.seed": number // 3}
            metrics = {"validation/accuracy": value}
            repeated = ["training.seed"]  # as a job's events have it
            progress.trial(TrialNews(number, 4, "FINISHED", settings, metrics, repeated))
        on.print(progress._display._render())  # type: ignore[attr-defined]
    table = printed(on).split("best so far")[-1]
    assert table.index("tanh") < table.index("relu") and "mean of 2, 2 ended" in table
    assert "0.85" in table and "0.99" not in table and "seed" not in table


def test_the_best_value_counts_where_it_is_known() -> None:
    board = Board("m", "max")
    board.put(TrialNews(1, 1, "FINISHED", {}, {"m": 0.1, "best/m": 0.9}))
    assert board.value(1) == 0.9


def test_short_texts() -> None:
    assert number_text(0.000123456) == "0.0001235"
    assert number_text(64) == "64"
    assert number_text(None) == ""
    assert settings_line({"b": 0.5, "a": "relu"}) == "a=relu b=0.5"
    assert metrics_line({"z": 1.0, "a": 2.0}) == "a 2  z 1"
