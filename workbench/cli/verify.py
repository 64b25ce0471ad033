"""`workbench verify`: train a run again from its record, and say whether the losses are equal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from workbench.cli import output
from workbench.cli.launch import refuse_missing_data
from workbench.cli.options import Cluster, Debug, Json, Set, TrustCode, collect_changes
from workbench.progress.terminal import Terminal

if TYPE_CHECKING:
    from workbench.training.differences import Comparison, Parting


def verify_run(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Run id, its first letters, or latest")],
    set_: Set = None,
    cluster: Cluster = None,
    trust_code: TrustCode = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Train a run again from its record and say whether the losses are the same.

    RUN is a training or a trial; of a sweep, the best trial is trained again. The settings come from
    the record, not from the code of the experiment. It starts its own Ray and Spark, also while a
    bench is up. Nothing is written to the store.

    On the same kind of machine, the losses of every epoch must be equal to the last digit. On another
    kind they may differ by 1 %, because processors round differently.

    If they are not equal, the first epoch and loss that differ are shown. Everything that is not the
    same is listed as well: code, packages, data, order of the rows, settings, batch, precision,
    device, workers, threads.

    Exit code 0: equal. 1: not equal.

    **Examples**

    `workbench verify 0123abcd`

    `workbench verify latest --json`

    `workbench verify 0123abcd --set data.source.path=/mnt/data` if the data lies elsewhere now
    """
    with output.progress_console() as console, Terminal(console) as progress:
        progress.stage("Reading the run's record")
        from tracking import Reader
        from workbench.experiments.changes import override
        from workbench.training.verify import read_recorded, verify

        reader = Reader()
        recorded = read_recorded(reader, reader.run(run), trust_code=trust_code)
        changes = collect_changes(set_, cluster=cluster)
        experiment = override(recorded.experiment, changes)
        refuse_missing_data(experiment)
        progress.rank_by(experiment.training.monitor, experiment.training.mode)
        progress.stage_done()
        result = verify(recorded, changes=changes, progress=progress)
    short = recorded.run.run_id[:8]
    if json:
        output.print_json({"run": recorded.run.run_id, "equal": result.equal, **vars(result)})
    else:
        _show(short, result)
    if not result.equal:
        raise typer.Exit(1)


def _show(short: str, result: Comparison) -> None:
    out = output.out()
    out.print(Text(describe_verdict(short, result), "bold" if result.equal else "bold red"))
    out.print(f"  {describe_rule(result)}", soft_wrap=True)
    if result.differences:
        out.print()
        out.print("Not the same, although the losses are equal:" if result.equal else "To blame:")
        table = output.plain_table("what", "name", "recorded", "now")
        for one in result.differences:
            table.add_row(one.kind, one.name, one.recorded, one.again)
        out.print(table)
    elif not result.equal:
        out.print()
        out.print(_describe_no_cause(result), soft_wrap=True)
    if result.not_recorded:
        out.print()
        unknown = ", ".join(result.not_recorded)
        out.print(f"Not in the record of {short}, so not compared: {unknown}.", soft_wrap=True)


def describe_verdict(short: str, result: Comparison) -> str:
    """The first line: equal or not, and where the losses part."""
    if result.parting is None:
        exact = "" if result.tolerance else ", to the last digit"
        return f"Run {short} is equal: {result.num_losses} losses{exact}."
    where = _describe_parting(result.parting)
    return f"Run {short} is not equal: the losses first part at {where}."


def describe_rule(result: Comparison) -> str:
    """What counts as equal, and how far the losses are apart."""
    if result.same_machine:
        rule = "The same kind of machine: losses must be equal to the last digit."
    else:
        known = "machine" not in result.not_recorded
        which = "Another kind of machine" if known else "The machine of the run is not known"
        rule = f"{which}: losses may differ by {result.tolerance:.0%}."
    return f"{rule} Largest relative difference: {result.largest:.2g}."


def _describe_parting(parting: Parting) -> str:
    now = "no value" if parting.again is None else repr(parting.again)
    return f"epoch {parting.epoch}, {parting.metric}: recorded {parting.recorded!r}, now {now}"


def _describe_no_cause(result: Comparison) -> str:
    unknown = " of what the record holds" if result.not_recorded else ""
    return (
        f"Nothing{unknown} is different. Either the device adds up in a changing order (a GPU may), or "
        "something is drawn without training.seed."
    )
