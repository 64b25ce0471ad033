"""`workbench train` and `workbench sweep`."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from json import dumps as json_text
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from workbench.cli import output
from workbench.cli.baselines import (
    WORSE,
    describe_tie,
    describe_worse,
    find_like_best,
    list_baselines,
)
from workbench.cli.jobs import run_on_bench
from workbench.cli.options import (
    Cluster,
    Debug,
    Epochs,
    ExperimentName,
    Json,
    Own,
    Seed,
    Set,
    build_experiment,
    collect_changes,
    parse_space,
)
from workbench.errors import INTERRUPTED
from workbench.progress.terminal import Board, Terminal, number_text, trials_table
from workbench.results import SweepResult, TrainResult

if TYPE_CHECKING:
    from workbench.experiments.experiment import Experiment
    from workbench.progress import Progress

_ROWS = 20
"""Trials on the final leaderboard."""


Save = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE.py",
        help="With a path of data: write its experiment into this new file",
        show_default=False,
    ),
]


def train(
    experiment: ExperimentName,
    set_: Set = None,
    epochs: Epochs = None,
    seed: Seed = None,
    save: Save = None,
    cluster: Cluster = None,
    own: Own = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Train an experiment once and record the run. A path of data is trained by the recipe for its kind.

    **Examples**

    `workbench train digits_cnn`

    `workbench train digits_rnn --epochs 5 --set net.cell=gru --set training.learning_rate=0.003`

    `workbench train cifar10_cnn --set data.source.path=~/cifar-10-python.tar.gz`

    `workbench train my_experiment.py:wide --set cluster.num_workers=2 --json`

    `workbench train pictures/ --save my_experiment.py`

    `workbench train digits_cnn --cluster lab` runs on the cluster called lab in clusters.toml
    """
    with output.progress_console() as console, Terminal(console) as progress:
        experiment = _find_experiment(experiment, set_, cluster, save, progress)
        changes = collect_changes(set_, epochs=epochs, seed=seed, cluster=cluster)
        if end := run_on_bench("train", experiment, changes, progress, own=own):
            result, name = TrainResult(**end.result or {}), end.shown["name"]
            monitor = end.shown["metric"]
        else:
            progress.stage("Loading the libraries")
            chosen = build_experiment(experiment, set_, epochs=epochs, seed=seed, cluster=cluster)
            name, monitor = chosen.name, chosen.training.monitor
            progress.rank_by(monitor, chosen.training.mode)
            refuse_missing_data(chosen)
            from workbench.training import train as run

            progress.stage_done()
            result = run(chosen, progress=progress)
    if json:
        output.print_json(result)
    else:
        _show_training(name, monitor, result)


def _find_experiment(
    name: str, set_: list[str] | None, cluster: str | None, save: Path | None, progress: Progress
) -> str:
    """The experiment's name; of a path of data, the file that is written for it."""
    from workbench.cli.data import experiment_of_path, is_data_path

    if is_data_path(name):
        return experiment_of_path(name, set_, cluster, save, progress)
    if save is not None:
        raise typer.BadParameter(f"--save belongs to a path of data, and {name!r} is none.")
    return name


def refuse_missing_data(experiment: Experiment) -> None:
    """Refuse data that is not there now; the reader would do so only when a cluster is up."""
    from workbench.data.sources.paths import find_path

    path = getattr(experiment.data.source, "path", None)
    if path is not None and "://" not in path:
        find_path(path, f"the data of {experiment.name} (source {experiment.data.source.kind})")


def _show_training(name: str, monitor: str, result: TrainResult) -> None:
    out = output.out()
    out.print(
        Text(name, "bold"),
        f" run {result.run_id}, best epoch {result.best_epoch} of {result.epochs}",
    )
    names = (monitor, "validation/loss", "test/accuracy", "test/loss")
    shown = {name: result.metrics[name] for name in names if name in result.metrics}
    texts = {name: number_text(value) for name, value in shown.items()}
    out.print(output.pairs(texts | list_baselines(result.metrics)))
    _show_next(result.run_id)
    for text in result.verdicts:
        if not text.startswith(WORSE):  # said below, as after a sweep
            out.print()
            out.print(Text(text, "yellow"), soft_wrap=True)
    _show_worse(result.metrics)


def _show_worse(metrics: Mapping[str, float]) -> None:
    """The last line, where an answer without a net is better than the net."""
    if sentence := describe_worse(metrics):
        output.out().print()
        output.out().print(Text(sentence, "yellow"), soft_wrap=True)


def sweep(
    experiment: ExperimentName,
    set_: Set = None,
    space: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUES",
            help="Search this setting: KEY=log:1e-4..1e-1, KEY=0.1..0.9 or KEY=a,b,c. Repeatable. "
            "Replaces the experiment's own search space.",
            show_default=False,
        ),
    ] = None,
    trials: Annotated[
        int | None, typer.Option(help="How many trials to run", show_default=False)
    ] = None,
    search: Annotated[
        str | None, typer.Option(help="grid, random or bayes", show_default=False)
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(help="What stops poor trials early: asha, median or none", show_default=False),
    ] = None,
    epochs: Epochs = None,
    seed: Seed = None,
    resume: Annotated[
        str | None,
        typer.Option(
            metavar="RUN",
            help="Resume a sweep that was stopped, with its recorded settings. Takes a run id or its "
            "first letters. Only --trials (more of them) and cluster settings may change.",
            show_default=False,
        ),
    ] = None,
    save: Save = None,
    cluster: Cluster = None,
    own: Own = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Search for an experiment's best settings; each trial is a run below the sweep's run.

    **Examples**

    `workbench sweep digits_cnn`

    `workbench sweep digits_cnn --trials 32 --search random --scheduler none`

    `workbench sweep digits_cnn --space training.learning_rate=log:1e-4..1e-1
    --space net.activation=relu,elu,tanh`

    `workbench sweep digits_cnn --resume 0123abcd` resumes a sweep that was stopped

    `workbench sweep digits_cnn --cluster lab` runs on the cluster called lab in clusters.toml
    """
    extra: dict[str, Any] = {
        path: value
        for path, value in {
            "sweep.num_trials": trials,
            "sweep.search": search,
            "sweep.scheduler": scheduler,
            "sweep.space": parse_space(space) if space else None,
        }.items()
        if value is not None
    }
    with output.progress_console() as console, Terminal(console) as progress:
        experiment = _find_experiment(experiment, set_, cluster, save, progress)
        changes = collect_changes(set_, epochs=epochs, seed=seed, extra=extra, cluster=cluster)
        resumed = None
        if resume:
            resume, resumed = _read_resumed(experiment, resume, changes, progress)
            changes = {path: new for path, new in changes.items() if path.startswith("cluster.")}
        if end := run_on_bench(
            "sweep", experiment, changes, progress, own=own, resume=resume, resumed=resumed
        ):
            result, shown = SweepResult.from_dict(end.result or {}), end.shown
        else:
            progress.stage("Loading the libraries")
            chosen = resumed or build_experiment(
                experiment, set_, epochs=epochs, seed=seed, extra=extra, cluster=cluster
            )
            metric, mode = chosen.sweep.metric, chosen.sweep.mode
            shown = {"name": chosen.name, "metric": metric, "mode": mode}
            progress.rank_by(metric, mode)
            refuse_missing_data(chosen)
            from workbench.sweeps.driver import sweep as run
            from workbench.training.idle import check_changes_of_sweep

            if resumed is None:
                check_changes_of_sweep(chosen, changes)

            progress.stage_done()
            result = run(chosen, progress=progress, resume=resume)
    if json:
        output.print_json(_as_json(result))
    elif result.trials:
        _show_sweep(experiment, result, **shown)
    if result.interrupted:
        output.err().print(
            f"Interrupted; finished trials are kept. Resume: {output.program()} sweep {experiment} "
            f"--resume {result.run_id}",
            style="yellow",
            soft_wrap=True,
        )
        raise typer.Exit(INTERRUPTED)


def _read_resumed(
    name: str, run: str, changes: Mapping[str, Any], progress: Progress
) -> tuple[str, Experiment]:
    """The run id of the sweep to resume, and the experiment of its record with these changes."""
    progress.stage("Reading the sweep's record")
    from contextlib import closing

    from tracking import MlflowRecorder
    from workbench.experiments import load_experiment
    from workbench.sweeps.resume import resume_from_record

    with closing(MlflowRecorder()) as recorder:
        run_id, resumed, note = resume_from_record(recorder, run, load_experiment(name), changes)
    if note:
        progress.note(note)
    progress.stage_done()
    return run_id, resumed


def _as_json(result: SweepResult) -> dict[str, Any]:
    hidden = {"checkpoint"}  # gone when the sweep ends
    trials = [
        {key: value for key, value in vars(trial).items() if key not in hidden}
        for trial in result.trials
    ]
    best = trials[0] if trials else None
    interrupted = result.interrupted
    return {"run_id": result.run_id, "interrupted": interrupted, "best": best, "trials": trials}


def _show_sweep(experiment: str, result: SweepResult, *, name: str, metric: str, mode: str) -> None:
    out = output.out()
    board = Board(metric, mode)
    for trial in result.trials:
        board.put(trial.news(len(result.trials), metric))
    ranked = board.rank()
    out.print()
    title, alike, said = f"{name}: {len(ranked)} trials", list[int](), None
    if not result.configurations:
        alike, said = find_like_best(board, ranked, result.rows)
    out.print(trials_table(board, ranked[:_ROWS], title=title, like_best=alike))
    if said:
        out.print(f"  {said}", soft_wrap=True)
    best = result.best
    out.print()
    out.print(Text("Best configuration", "bold"), f" run {best.run_id}")
    out.print(output.pairs({key: number_text(value) for key, value in best.settings.items()}))
    tested = {key: value for key, value in best.metrics.items() if key.startswith("test/")}
    texts = {key: number_text(value) for key, value in tested.items()}
    out.print(output.pairs(texts | list_baselines(best.metrics)))
    tie = None if result.configurations else describe_tie(result.trials)
    if tie:
        out.print(f"  {tie}", soft_wrap=True)
    _show_next(best.run_id, again=_train_command(experiment, best.settings))
    _show_worse(best.metrics)


def _train_command(name: str, settings: Mapping[str, Any]) -> str:
    """The command that trains with these settings, to the last digit."""
    texts = {k: v if isinstance(v, str) else json_text(v) for k, v in settings.items()}
    changes = " ".join(f"--set {shlex.quote(f'{key}={text}')}" for key, text in texts.items())
    return f"{output.program()} train {shlex.quote(name)} {changes}"


def _show_next(run_id: str, *, again: str | None = None) -> None:
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
