"""Options that several commands share, and the experiment they add up to."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.experiments.space_text import parse_space as parse_space
from workbench.experiments.space_text import split_pair

if TYPE_CHECKING:
    from workbench.experiments.experiment import Experiment


def _debug(on: bool) -> None:
    if on:
        os.environ["WORKBENCH_DEBUG"] = "1"


ExperimentName = Annotated[
    str,
    typer.Argument(
        metavar="EXPERIMENT",
        help="A shipped experiment (see `workbench experiments`), or your own: path/to/file.py:function",
        show_default=False,
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Change a setting, for example --set net.activation=elu. Repeatable. "
        "`workbench experiments NAME` lists all settings.",
        show_default=False,
    ),
]
Epochs = Annotated[
    int | None,
    typer.Option(help="The same as --set training.epochs=N", show_default=False),
]
Seed = Annotated[
    int | None,
    typer.Option(help="Seed of the training and of the search", show_default=False),
]
Own = Annotated[
    bool,
    typer.Option(
        "--own",
        "--no-bench",
        help="Start Ray and Spark for this command alone, even when a bench is up",
    ),
]
Cluster = Annotated[
    str | None,
    typer.Option(
        "--cluster",
        metavar="NAME",
        help="Use this cluster of clusters.toml. The file is read from this folder, from "
        "~/.config/workbench or from WORKBENCH_CLUSTERS. --set cluster.KEY=VALUE overrides it.",
        show_default=False,
    ),
]
Json = Annotated[
    bool,
    typer.Option("--json", help="Print the result as JSON, and nothing else, to standard output"),
]
TrustCode = Annotated[
    bool,
    typer.Option(
        "--trust-code",
        help="Run the Python code that the run's own net, loss or metric brings. It can do anything "
        "that you can, so read it first. Runs without own parts bring none.",
    ),
]
Debug = Annotated[
    bool,
    typer.Option("--debug", help="Show the traceback of an error", callback=_debug, is_eager=True),
]


def build_experiment(
    name: str,
    settings: Sequence[str] | None = None,
    *,
    epochs: int | None = None,
    seed: int | None = None,
    extra: dict[str, Any] | None = None,
    cluster: str | None = None,
) -> Experiment:
    """An experiment with the changes of the command line.

    Raises:
        ConfigError: no such experiment or setting, or a value breaks a rule.
    """
    from workbench.experiments import load_experiment
    from workbench.experiments.changes import override

    changes = collect_changes(settings, epochs=epochs, seed=seed, extra=extra, cluster=cluster)
    return override(load_experiment(name), changes)


def collect_changes(
    settings: Sequence[str] | None = None,
    *,
    epochs: int | None = None,
    seed: int | None = None,
    extra: dict[str, Any] | None = None,
    cluster: str | None = None,
) -> dict[str, Any]:
    """The options as settings by path; values of `--set` are still text.

    Args:
        cluster: name of a cluster; this process uses its Ray token from now on.

    Raises:
        ConfigError: an option is not KEY=VALUE, or overrules another one; no cluster has that name.
    """
    pairs = [split_pair(text, "--set") for text in settings or ()]
    options = {} if epochs is None else {"--epochs": ["training.epochs"]}
    if seed is not None:
        options["--seed"] = ["training.seed", "sweep.seed"]
    _refuse_overruled(options, extra or {}, [path for path, _ in pairs])
    changes: dict[str, Any] = {}
    if cluster is not None:
        from workbench.cluster import load_cluster

        named = load_cluster(cluster)
        named.use()
        changes |= named.settings
    if epochs is not None:
        changes["training.epochs"] = epochs
    if seed is not None:
        changes |= {"training.seed": seed, "sweep.seed": seed}
    changes |= extra or {}
    return changes | dict(pairs)


_OPTIONS = {
    "sweep.num_trials": "--trials",
    "sweep.search": "--search",
    "sweep.scheduler": "--scheduler",
    "sweep.space": "--space",
    "sweep.repeats": "--repeats",
    "sweep.max_minutes": "--bound",
    "sweep.metric": "--metric",
    "sweep.mode": "--metric",
    "sweep.objectives": "--metric",
}


def _refuse_overruled(
    options: Mapping[str, list[str]], extra: Mapping[str, Any], set_paths: list[str]
) -> None:
    """Refuse an option that another one on the same command line would overrule.

    Raises:
        ConfigError: two options set the same, or a later one replaces what holds an earlier one.
    """
    set_by = [(path, name) for name, paths in options.items() for path in paths]
    set_by += [(path, _OPTIONS.get(path, path)) for path in extra]
    set_by += [(path, f"--set {path}") for path in set_paths]
    for number, (path, option) in enumerate(set_by):
        for later, other in set_by[number + 1 :]:
            if path == later or path.startswith((f"{later}.", f"{later}[")):
                raise _config_error(
                    f"{other} overrules {option}: both set {path}. Use one of them"
                    + (", or put the whole first." if path != later else ".")
                )
        if path in extra.get("sweep.space", {}):
            raise _config_error(
                f"{option} has no effect: --space {path} gives each trial its value. Use one of them."
            )


def _config_error(message: str) -> Exception:
    from nets.errors import ConfigError  # loads torch: only when there is an error

    return ConfigError(message)
