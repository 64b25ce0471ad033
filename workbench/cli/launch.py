"""`workbench train` and `workbench sweep`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from workbench.cli import output
from workbench.cli.baselines import WORSE, list_baselines
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
from workbench.cli.shown import show_next, show_sweep, show_worse, sweep_json
from workbench.cli.sweep_options import parse_bound, parse_metric
from workbench.errors import INTERRUPTED
from workbench.progress.terminal import Terminal, number_text
from workbench.results import SweepResult, TrainResult

if TYPE_CHECKING:
    from workbench.experiments.experiment import Experiment
    from workbench.progress import Progress

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
        experiment = _find_experiment(experiment, set_, cluster, save, progress, own=own)
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
    name: str,
    set_: list[str] | None,
    cluster: str | None,
    save: Path | None,
    progress: Progress,
    *,
    own: bool,
) -> str:
    """The experiment's name; of a path of data, the file that is written for it."""
    from workbench.cli.data import experiment_of_path
    from workbench.experiments import is_data_path

    if is_data_path(name):
        return experiment_of_path(name, set_, cluster, save, progress, own=own)
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
    show_next(result.run_id)
    for text in result.verdicts:
        if not text.startswith(WORSE):  # said below, as after a sweep
            out.print()
            out.print(Text(text, "yellow"), soft_wrap=True)
    show_worse(result.metrics)


def sweep(
    experiment: ExperimentName,
    set_: Set = None,
    space: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUES",
            help="Search this setting: KEY=log:1e-4..1e-1, KEY=0.1..0.9 or KEY=a,b,c. Repeatable. "
            "Replaces the experiment's own search space. KEY may lead into a list (net.blocks[0].channels, "
            '[*] for all entries), or be a whole net: net=cnn,rnn. "KEY=VALUES if OTHER=VALUE" searches '
            "it only in trials where OTHER has that value.",
            show_default=False,
        ),
    ] = None,
    trials: Annotated[
        int | None, typer.Option(help="How many trials to run", show_default=False)
    ] = None,
    search: Annotated[
        str | None,
        typer.Option(
            help="grid, random, qmc (draws that cover the space evenly), tpe (also called bayes), gp "
            "(Gaussian process) or cmaes (CMA-ES, of ranges)",
            show_default=False,
        ),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(
            help="What stops poor trials early: asha, hyperband, median or none",
            show_default=False,
        ),
    ] = None,
    repeats: Annotated[
        int | None,
        typer.Option(
            help="Train each setting with so many seeds and rank by the mean. Needs --scheduler none.",
            show_default=False,
        ),
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(
            metavar="NAME[:max|min],...",
            help="What trials are ranked by: accuracy, validation/loss:min. With several, such as "
            "accuracy:max,parameters:min, the Pareto front is shown. Needs --scheduler none then.",
            show_default=False,
        ),
    ] = None,
    bound: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Stop the trials after this time (90s, 30m, 2h), evaluate the best and end. --resume "
            "goes on for as long again.",
            show_default=False,
        ),
    ] = None,
    epochs: Epochs = None,
    seed: Seed = None,
    resume: Annotated[
        str | None,
        typer.Option(
            metavar="RUN",
            help="Resume a sweep that was stopped, with its recorded settings. Takes a run id or its "
            "first letters. Only --trials (more of them), --bound and cluster settings may change.",
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

    `workbench sweep digits_cnn --scheduler none --space training.optimizer=sgd,adamw
    --space "training.nesterov=true,false if training.optimizer=sgd"`

    `workbench sweep digits_cnn --scheduler none --repeats 3 --metric accuracy:max,parameters:min
    --space "net.blocks[*].channels=8,16,32" --bound 30m`

    `workbench sweep digits_cnn --resume 0123abcd` resumes a sweep that was stopped

    `workbench sweep digits_cnn --cluster lab` runs on the cluster called lab in clusters.toml
    """
    extra: dict[str, Any] = {
        path: value
        for path, value in {
            "sweep.num_trials": trials,
            "sweep.search": search,
            "sweep.scheduler": scheduler,
            "sweep.repeats": repeats,
            "sweep.max_minutes": parse_bound(bound) if bound else None,
            "sweep.space": parse_space(space) if space else None,
            **(parse_metric(metric) if metric else {}),
        }.items()
        if value is not None
    }
    with output.progress_console() as console, Terminal(console) as progress:
        experiment = _find_experiment(experiment, set_, cluster, save, progress, own=own)
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
        output.print_json(sweep_json(result))
    elif result.trials:
        show_sweep(experiment, result, **shown)
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
