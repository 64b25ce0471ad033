"""What `train` and `sweep` print at their end."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from json import dumps as json_text
from typing import Any

from rich.table import Table
from rich.text import Text

from workbench.cli import output
from workbench.cli.baselines import (
    describe_tie,
    describe_worse,
    find_like_best,
    list_baselines,
)
from workbench.progress.terminal import Board, number_text, trials_table
from workbench.results import SweepResult

_ROWS = 20
"""Trials on the final leaderboard."""


def show_worse(metrics: Mapping[str, float]) -> None:
    """The last line, where an answer without a net is better than the net."""
    if sentence := describe_worse(metrics):
        output.out().print()
        output.out().print(Text(sentence, "yellow"), soft_wrap=True)


def sweep_json(result: SweepResult) -> dict[str, Any]:
    hidden = {"checkpoint"}  # gone when the sweep ends
    trials = [
        {key: value for key, value in vars(trial).items() if key not in hidden}
        for trial in result.trials
    ]
    best = trials[0] if trials else None
    interrupted = result.interrupted
    return {"run_id": result.run_id, "interrupted": interrupted, "best": best, "trials": trials}


def show_sweep(experiment: str, result: SweepResult, *, name: str, metric: str, mode: str) -> None:
    """Print a sweep's leaderboard, its best settings, and commands that show more."""
    out = output.out()
    out.print()
    if result.configurations:
        title = f"{name}: {len(result.configurations)} settings, {metric} as mean ± deviation"
        out.print(_settings_table(result, title))
    else:
        _show_trials(result, name, metric, mode)
    if result.objectives:
        _show_front(result)
    best = result.best
    settings = result.configurations[0].settings if result.configurations else best.settings
    out.print()
    out.print(Text("Best configuration", "bold"), f" run {best.run_id}")
    out.print(output.pairs({key: number_text(value) for key, value in settings.items()}))
    tested = {key: value for key, value in best.metrics.items() if key.startswith("test/")}
    texts = {key: number_text(value) for key, value in tested.items()}
    out.print(output.pairs(texts | list_baselines(best.metrics)))
    tie = None if result.configurations else describe_tie(result.trials)
    if tie:
        out.print(f"  {tie}", soft_wrap=True)
    show_next(best.run_id, again=_train_command(experiment, best.settings))
    show_worse(best.metrics)


def _show_trials(result: SweepResult, name: str, metric: str, mode: str) -> None:
    """Each trial in a row, the best first."""
    out, board = output.out(), Board(metric, mode)
    for trial in result.trials:
        board.put(trial.news(len(result.trials), metric))
    ranked = board.rank()
    alike, said = find_like_best(board, ranked, result.rows)
    title = f"{name}: {len(ranked)} trials"
    out.print(trials_table(board, ranked[:_ROWS], title=title, like_best=alike))
    if said:
        out.print(f"  {said}", soft_wrap=True)


def _settings_table(result: SweepResult, title: str) -> Table:
    """Each of the settings that was trained several times in a row, the best mean first."""
    table = Table(title=title, title_justify="left", title_style="dim", box=None, pad_edge=False)
    heads, rows = result.leaderboard()
    for head in heads:
        table.add_column(head, justify="right", style="bold" if head == "mean" else None)
    for place, row in enumerate(rows, 1):
        table.add_row(*map(number_text, row), style="green" if place == 1 else None)
    return table


def _show_front(result: SweepResult) -> None:
    """The trials that no other one beats in every objective."""
    modes = ", ".join(f"{name} ({mode})" for name, mode in result.objectives.items())
    table = Table(
        title=f"Pareto front of {modes}: no other trial is as good in all and better in one",
        title_justify="left",
        title_style="dim",
        box=None,
        pad_edge=False,
    )
    first, *others = result.objectives
    on_front = {trial.number: trial for trial in result.trials if trial.number in result.front}
    paths = sorted({path for trial in on_front.values() for path in trial.settings})
    for head in ("trial", first, *others, *(path.rsplit(".", 1)[-1] for path in paths)):
        table.add_column(head, justify="right", style="bold" if head in result.objectives else None)
    for number, trial in on_front.items():
        values = [trial.value, *(trial.metrics.get(name) for name in others)]
        cells = [number, *values, *(trial.settings.get(path) for path in paths)]
        table.add_row(*map(number_text, cells))
    output.out().print()
    output.out().print(table)


def _train_command(name: str, settings: Mapping[str, Any]) -> str:
    """The command that trains with these settings, to the last digit."""
    texts = {k: v if isinstance(v, str) else json_text(v) for k, v in settings.items()}
    changes = " ".join(f"--set {shlex.quote(f'{key}={text}')}" for key, text in texts.items())
    return f"{output.program()} train {shlex.quote(name)} {changes}"


def show_next(run_id: str, *, again: str | None = None) -> None:
    """Print commands that show more."""
    short, program = run_id[:8], output.program()
    ways = {
        **output.viewers(),
        f"{program} export {short} DIR": "the model as files that need no Ray, Spark or MLflow",
        f"{program} runs": "this run among the others",
    }
    if again:
        ways[again] = "train the best configuration alone"
    out = output.out()
    out.print()
    out.print(Text("Look further", "bold"))
    width = max(len(command) for command in ways if command != again)
    for command, meaning in ways.items():
        out.print(Text(f"  {command:<{width}}"), Text(f"  {meaning}", "dim"), soft_wrap=True)
