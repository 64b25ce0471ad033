"""`workbench lr-find`: the loss at rising learning rates, and the rate to begin with."""

from __future__ import annotations

import itertools
import math
import shlex
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.text import Text

from workbench.cli import output
from workbench.cli.launch import refuse_missing_data
from workbench.cli.options import Cluster, Debug, ExperimentName, Json, Set, build_experiment
from workbench.progress.terminal import Terminal
from workbench.results import RateResult

_UNUSED = (
    *("training.learning_rate", "training.schedule", "training.warmup", "training.epochs"),
    *("training.epoch_rows", "training.max_rows", "training.max_minutes", "training.patience"),
    *("training.monitor", "training.mode", "training.health", "training.loss_points", "sweep."),
)
"""Settings that have no part in it."""
_COLUMNS, _LINES = 60, 10
"""The most columns of the chart, and its lines, each of two steps."""
_ENDS = {
    "risen": "the loss had risen to four times its lowest value",
    "not finite": "the loss was no longer finite",
    "highest rate": "the last rate was reached",
}


def find(
    experiment: ExperimentName,
    low: Annotated[float, typer.Option("--from", help="The first learning rate")] = 1e-7,
    high: Annotated[float, typer.Option("--to", help="The last learning rate")] = 10.0,
    steps: Annotated[int, typer.Option(help="How many rates are tried, at least 20")] = 100,
    set_: Set = None,
    cluster: Cluster = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Suggest a learning rate: train a net that is thrown away at rising rates, and see where its loss falls.

    The net takes one step at each rate. The rates end early where the smoothed loss is four times its
    lowest value, or not finite. The suggestion is the rate at which the loss falls fastest. It is a first
    value; `workbench sweep` compares rates by validation rows.

    One worker tries the rates, in a Ray and Spark of its own, also while a bench is up. A path of data is
    tried with the recipe for its kind.

    **Examples**

    `workbench lr-find digits_cnn`

    `workbench lr-find digits_cnn --set training.optimizer=sgd --from 1e-5 --to 100`

    `workbench lr-find my_experiment.py:wide --json`
    """
    _refuse_unused(set_)
    with output.progress_console() as console, Terminal(console) as progress:
        progress.stage("Loading the libraries")
        from nets.rate_range import spaced_rates
        from workbench.cli.data import experiment_of_path
        from workbench.experiments import is_data_path

        spaced_rates(low, high, steps)  # refused before Spark describes a path
        if is_data_path(experiment):
            experiment = experiment_of_path(experiment, set_, cluster, None, progress, own=True)
        chosen = build_experiment(experiment, set_, cluster=cluster)
        refuse_missing_data(chosen)
        from workbench.training.find_rate import find_learning_rate

        progress.stage_done()
        result = find_learning_rate(chosen, low=low, high=high, steps=steps, progress=progress)
    if json:
        output.print_json(result)
    else:
        _show(chosen.name, result, [experiment, *_as_options(set_, cluster)])


def _refuse_unused(settings: Sequence[str] | None) -> None:
    for text in settings or ():
        key = text.partition("=")[0].strip()
        if key.startswith(_UNUSED):
            raise typer.BadParameter(
                f"this command tries learning rates of its own, one step at each, and --set {text} would "
                "change nothing. Give it to `workbench train`."
            )


def _as_options(settings: Sequence[str] | None, cluster: str | None) -> list[str]:
    """The options of this command line that `train` needs as well."""
    options = [part for text in settings or () for part in ("--set", text)]
    return options if cluster is None else [*options, "--cluster", cluster]


def _show(name: str, result: RateResult, arguments: Sequence[str]) -> None:
    out = output.out()
    tried = f"{len(result.rates)} learning rates tried: {_ENDS[result.end]}"
    out.print(Text(name, "bold"), f"run {result.run_id}, {tried}", soft_wrap=True)
    out.print()
    out.print(Text("  Training loss over the learning rate, before each step", "dim"))
    for line in draw_curve(result.rates, result.losses, result.suggestion):
        out.print(Text(f"  {line}"), soft_wrap=True)
    out.print()
    if result.suggestion is None:
        out.print(
            Text("No learning rate is suggested: the loss does not clearly fall.", "yellow"),
            "Try other rates (--from, --to), more of them (--steps), or a larger training.batch_size.",
            soft_wrap=True,
        )
        return
    rate = f"{result.suggestion:.2g}"
    change = ("--set", f"training.learning_rate={rate}")
    out.print("Learning rate", Text(rate, "bold green"), "- there the loss falls fastest")
    out.print(
        Text(f"  {output.program()} train {shlex.join([*arguments, *change])}"), soft_wrap=True
    )


def draw_curve(
    rates: Sequence[float], losses: Sequence[float], suggestion: float | None
) -> list[str]:
    """The losses over the logarithm of the rate, as lines of text; ^ marks the suggestion.

    What is higher than the loss was before its lowest value is drawn at the upper edge.
    """
    if not rates:
        return ["(no finite loss)"]
    columns = min(_COLUMNS, len(rates))
    cuts = [len(rates) * number // columns for number in range(columns + 1)]
    means = [sum(losses[a:b]) / (b - a) for a, b in itertools.pairwise(cuts)]
    bottom = min(means)
    top = max(means[: means.index(bottom) + 1])
    top = top if top > bottom else max(means)
    steps = 2 * _LINES - 1
    span = (top - bottom) or 1.0
    levels = [round(steps * min((mean - bottom) / span, 1.0)) for mean in means]
    texts = {2 * _LINES - 1: f"{top:.3g}", 0: f"{bottom:.3g}"}
    lines = []
    for lower in range(2 * (_LINES - 1), -1, -2):
        cells = {lower: "▄", lower + 1: "▀"}
        label = texts.get(lower + 1, texts.get(lower, ""))
        drawn = "".join(cells.get(level, " ") for level in levels)
        lines.append(f"{label:>8} │{drawn}".rstrip())
    lines.append(f"{'':>8} └{'─' * columns}")
    lines.append(f"{'':>8}  {_label_rates(rates, cuts)}".rstrip())
    if suggestion is not None:
        place = next(n for n, cut in enumerate(cuts[1:]) if rates[cut - 1] >= suggestion)
        lines.insert(-1, f"{'':>8}  {'^':>{place + 1}} {suggestion:.2g}")
    return lines


def _label_rates(rates: Sequence[float], cuts: Sequence[int]) -> str:
    """The powers of ten below the columns where they are first reached."""
    text, decade = "", math.floor(math.log10(rates[0]) - 1e-9)
    for column, cut in enumerate(cuts[:-1]):
        reached = math.floor(math.log10(rates[cut]) + 1e-9)
        if reached > decade and len(text) <= column:
            text = f"{text:<{column}}1e{reached:d} "
        decade = max(decade, reached)
    return text
