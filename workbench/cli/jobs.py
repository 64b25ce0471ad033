"""`workbench up`, `down` and `jobs`, and how `train` and `sweep` run on the bench."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from workbench.cli import output
from workbench.cli.options import Cluster, Debug, Json, Set, build_experiment
from workbench.errors import INTERRUPTED, ClusterError
from workbench.home import jobs_folder
from workbench.jobs import Client, Job, Jobs, find_bench, find_bench_for, statefile
from workbench.jobs.client import End, stop_job
from workbench.jobs.request import Kind, Request
from workbench.jobs.start import start_bench
from workbench.jobs.statefile import State
from workbench.progress.terminal import Terminal

if TYPE_CHECKING:
    from workbench.experiments.experiment import Experiment
    from workbench.progress import Progress

_STYLES = {
    "running": "cyan",
    "finished": "green",
    "failed": "bold red",
    "lost": "red",
    "stopped": "yellow",
    "queued": "dim",
}
_ROWS = 30


def start(
    experiment: Annotated[
        str | None,
        typer.Argument(
            metavar="EXPERIMENT",
            help="Use the cluster settings of this experiment: a name, or path/to/file.py:function",
            show_default=False,
        ),
    ] = None,
    set_: Set = None,
    cluster: Cluster = None,
    dashboards: Annotated[
        bool,
        typer.Option("--dashboards", help="Also show Ray's and Spark's own pages, on 127.0.0.1"),
    ] = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Start Ray and Spark and keep them running: train and sweep then start within seconds.

    This is called a bench. It runs until `workbench down`, and listens on this machine only.

    **Examples**

    `workbench up`

    `workbench up --set cluster.executor_memory=4g`

    `workbench up --cluster lab` uses the cluster called lab in clusters.toml
    """
    bench = _find()
    if bench is None:
        with output.progress_console() as console, Terminal(console) as progress:
            state = start_bench(
                _cluster(experiment, set_, cluster), progress, dashboards=dashboards
            )
    else:
        state = bench.state
        _refuse_other_settings(state, _cluster(experiment, set_, cluster), dashboards=dashboards)
    if json:
        output.print_json(state)
        return
    out = output.out()
    since = time.strftime("%H:%M", time.localtime(state.started))
    out.print(Text("The bench is up", "bold"), f" since {since}: Ray at {state.address}")
    for name, url in state.pages.items():
        out.print(f"  {name}: {url}")
    if "Ray" in state.pages and state.token_path:
        out.print(Text(f"  Ray's page needs the token in {state.token_path}", "dim"))
    program = output.program()
    ways = {
        f"{program} train digits_cnn": "runs on it, as does everything started in the UI",
        f"{program} jobs": "lists its jobs",
        f"{program} down": "stops it and its jobs",
    }
    width = max(map(len, ways))
    for command, meaning in ways.items():
        out.print(Text(f"  {command:<{width}}"), Text(f"  {meaning}", "dim"), soft_wrap=True)


def _cluster(
    experiment: str | None, settings: list[str] | None, cluster: str | None
) -> dict[str, Any]:
    if experiment is None and not settings and cluster is None:
        return {}
    other = [text for text in settings or () if not text.startswith("cluster.")]
    if other:
        raise typer.BadParameter(f"A bench takes settings of cluster only, got --set {other[0]}")
    from nets.config import to_dict
    from workbench.training.idle import check_idle_in_cluster

    chosen = build_experiment(experiment or "digits_cnn", settings, cluster=cluster)
    check_idle_in_cluster(chosen)
    return to_dict(chosen.cluster)


def _refuse_other_settings(state: State, settings: dict[str, Any], *, dashboards: bool) -> None:
    """Refuse options of `up` that a bench that is up already does not follow."""
    other = []
    if settings:
        from nets.config import from_dict, to_dict
        from workbench.cluster import ClusterConfig

        running = to_dict(from_dict(ClusterConfig, state.cluster))
        other = [
            f"cluster.{name}={value}" for name, value in settings.items() if running[name] != value
        ]
    if dashboards and not state.pages:
        other.append("--dashboards")
    if other:
        raise typer.BadParameter(
            f"A bench is up already, started without {', '.join(other)}. `workbench down` stops it; "
            "then start it with these."
        )


def stop(debug: Debug = False) -> None:
    """Stop the bench: first its jobs, as Ctrl-C does, then Spark and Ray."""
    bench = _find()
    err = output.err()
    if bench is None:
        err.print("No bench is up.")
        return
    with output.progress_console() as console, Terminal(console) as progress:
        progress.stage("Stopping the bench")
        in_order = bench.down()
    if not in_order:
        err.print("The bench did not answer and was killed.", style="yellow")


def show_jobs(
    job: Annotated[
        str | None,
        typer.Argument(
            metavar="JOB",
            help="Follow this job until it ends; the last digits of its id are enough",
        ),
    ] = None,
    cancel: Annotated[bool, typer.Option(help="Cancel the job, as Ctrl-C does")] = False,
    now: Annotated[bool, typer.Option("--now", help="Kill the job at once")] = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """List the jobs of the bench and of the UI, or follow or cancel one.

    **Examples**

    `workbench jobs`

    `workbench jobs 482113` follows the job whose id ends in 482113

    `workbench jobs 482113 --cancel`
    """
    every = Jobs(jobs_folder())
    if job is None:
        if cancel or now:
            raise typer.BadParameter("Say which job: workbench jobs JOB --cancel")
        _list(every.read_all(), json)
        return
    chosen = _pick(every.read_all(), job)
    if not (cancel or now):
        _follow(chosen, every, json)
    elif not chosen.live:
        output.err().print(f"Job {chosen.id} has ended: {chosen.state}.")
    else:
        stop_job(every, chosen.id, now=now)
    if json and (cancel or now):
        output.print_json(every.read(chosen.id))


def _pick(every: list[Job], ending: str) -> Job:
    matching = [job for job in every if job.id.endswith(ending)]
    if len(matching) == 1:
        return matching[0]
    problem = "several jobs end" if matching else "no job ends"
    raise typer.BadParameter(f"{problem} in {ending!r}; `workbench jobs` lists them.")


def _list(every: list[Job], json: bool) -> None:
    if json:
        output.print_json(every)
        return
    if not every:
        output.err().print(
            "No jobs yet. Jobs of a bench (workbench up) and of the UI are listed here."
        )
        return
    table = output.plain_table("job", "what", "state", "started", "time", right=("time",))
    for job in every[:_ROWS]:
        when = (
            "" if job.started is None else time.strftime("%d %b %H:%M", time.localtime(job.started))
        )
        length = f"{job.seconds:.0f} s" if job.started else ""
        table.add_row(job.id, job.title, Text(job.state, _STYLES[job.state]), when, length)
    output.out().print(table)


def _follow(job: Job, every: Jobs, json: bool) -> None:
    bench = find_bench() if job.live and job.resident else None
    if bench is None:
        if json:
            output.print_json(job)
        else:
            output.out().print(Text(every.read_log(job.id)), soft_wrap=True)
        return
    with output.progress_console() as console, Terminal(console) as progress:
        bench.follow(job, progress)
    output.print_json(every.read(job.id)) if json else None


def run_on_bench(
    kind: Kind,
    experiment: str,
    changes: dict[str, Any],
    progress: Progress,
    *,
    own: bool,
    resume: str | None = None,
    resumed: Experiment | None = None,
    samples: Path | None = None,
) -> End | None:
    """Run a training, a sweep or a description on the bench that is up; None without one.

    A description does not wait for other jobs: None while one runs.

    Args:
        own: the command is to start its own Ray and Spark; returns None.
        resume: run id of the sweep to resume.
        resumed: the experiment to resume it with; `experiment` is its name only then.
        samples: of a description, the file for its contact sheet.

    Raises:
        JobError: the job failed.
    """
    if own or (bench := find_bench_for(kind, progress)) is None:
        return None
    chosen = resumed
    if chosen is None and ".py" in experiment:  # it runs in the person's own process
        progress.stage("Loading the libraries")
        chosen = build_experiment(experiment)
        progress.stage_done()
    fields: dict[str, Any] = {
        "experiment": experiment,
        "changes": changes,
        "resume": resume,
        "samples": None if samples is None else str(samples),
        "command": ("workbench", *sys.argv[1:]),
        "cwd": str(Path.cwd()),
        "tracking_uri": os.environ.get("MLFLOW_TRACKING_URI"),
    }
    request = Request(kind=kind, **fields) if chosen is None else Request.of(kind, chosen, **fields)
    end = bench.run(request, progress)
    if end.state == "stopped" and end.result is None:
        output.err().print("Interrupted.", style="yellow")
        raise typer.Exit(INTERRUPTED)
    return end


def _find() -> Client | None:
    """The bench that is up; one that is gone is explained and forgotten."""
    try:
        return find_bench()
    except ClusterError as error:
        if statefile.is_alive():
            raise
        output.err().print(str(error), style="yellow", soft_wrap=True)
        return None
