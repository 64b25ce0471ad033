"""Options that several commands share, and what their values mean."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from workbench.experiments.experiment import Experiment


def _debug(on: bool) -> None:
    if on:
        os.environ["WORKBENCH_DEBUG"] = "1"


ExperimentName = Annotated[
    str,
    typer.Argument(
        metavar="EXPERIMENT",
        help="One that ships (see `workbench experiments`), or your own: path/to/file.py:function",
        show_default=False,
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Change a setting by its path, e.g. --set net.activation=elu. Repeatable. "
        "`workbench experiments NAME` lists the paths.",
        show_default=False,
    ),
]
Epochs = Annotated[
    int | None,
    typer.Option(help="Short for --set training.epochs=N", show_default=False),
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
        help="Start Ray and Spark for this command even where a bench is up",
    ),
]
Cluster = Annotated[
    str | None,
    typer.Option(
        "--cluster",
        metavar="NAME",
        help="Where it runs: a cluster that clusters.toml names (here, in ~/.config/workbench, or "
        "where WORKBENCH_CLUSTERS says). --set cluster.KEY=VALUE wins over what it has there.",
        show_default=False,
    ),
]
Json = Annotated[
    bool, typer.Option("--json", help="Print the result as JSON on standard output, nothing else")
]
Debug = Annotated[
    bool,
    typer.Option("--debug", help="Show the traceback of an error", callback=_debug, is_eager=True),
]


def configured(
    name: str,
    settings: Sequence[str] | None = None,
    *,
    epochs: int | None = None,
    seed: int | None = None,
    extra: dict[str, Any] | None = None,
    cluster: str | None = None,
) -> Experiment:
    """The experiment with the command line's changes; `--set` wins over the short forms.

    Raises:
        ConfigError: no such experiment or setting, or a value breaks a rule.
    """
    from nets.config import override
    from workbench.experiments import load_experiment

    changes = changes_of(settings, epochs=epochs, seed=seed, extra=extra, cluster=cluster)
    return override(load_experiment(name), changes)


def changes_of(
    settings: Sequence[str] | None = None,
    *,
    epochs: int | None = None,
    seed: int | None = None,
    extra: dict[str, Any] | None = None,
    cluster: str | None = None,
) -> dict[str, Any]:
    """Setting by path, from the options; values are still text.

    Args:
        cluster: name of a cluster, whose token this process shows to Ray from now on.

    Raises:
        ConfigError: an option is no KEY=VALUE, or no cluster has that name.
    """
    changes: dict[str, Any] = {}
    if cluster is not None:
        from workbench.cluster.clusters_file import load_cluster

        named = load_cluster(cluster)
        named.use()
        changes |= named.settings
    if epochs is not None:
        changes["training.epochs"] = epochs
    if seed is not None:
        changes |= {"training.seed": seed, "sweep.seed": seed}
    changes |= extra or {}
    return changes | dict(_pair(text, "--set") for text in settings or ())


def parse_space(texts: Sequence[str]) -> dict[str, Any]:
    """`--space` options as the value of `sweep.space`.

    KEY=LOW..HIGH is a range, KEY=log:LOW..HIGH one that is uniform in the logarithm,
    KEY=a,b,c a list of values; KEY=[...] a JSON list, for values with commas in them.

    Raises:
        ConfigError: a text is none of these.
    """
    return {key: _parameter(key, value) for key, value in (_pair(t, "--space") for t in texts)}


def _parameter(key: str, text: str) -> dict[str, Any]:
    log = text.startswith("log:")
    low, dots, high = text.removeprefix("log:").partition("..")
    if dots:
        try:
            return {"kind": "uniform", "low": float(low), "high": float(high), "log": log}
        except ValueError:
            raise _refused(
                f"--space {key}: a range is LOW..HIGH or log:LOW..HIGH with numbers, got {text!r}."
            ) from None
    if log:
        raise _refused(f"--space {key}: log: goes before a range, log:LOW..HIGH, got {text!r}.")
    if text.startswith("["):
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise _refused(
                f"--space {key}: {text!r} starts like a JSON list and is none ({error})."
            ) from None
        return {"kind": "choice", "values": values}
    return {"kind": "choice", "values": [_value(part) for part in text.split(",") if part]}


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text.strip()


def _pair(text: str, option: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise _refused(f"{option} takes KEY=VALUE, got {text!r}.")
    value = value.strip()
    # The shell leaves a ~ in the middle of a word as it is.
    return key.strip(), os.path.expanduser(value) if value.startswith("~/") else value


def _refused(message: str) -> Exception:
    from nets.errors import ConfigError  # loads torch, which only an error may

    return ConfigError(message)
