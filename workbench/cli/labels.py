"""`workbench data labels`: samples of a run's data whose label may be wrong."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from workbench.cli import output
from workbench.cli.options import Debug, Json, TrustCode

if TYPE_CHECKING:
    import pandas as pd

    from workbench.training.samples import Samples


def list_labels(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Run id, its first letters, or latest")],
    split: Annotated[str, typer.Option(help="The split to look at")] = "train",
    top: Annotated[int, typer.Option("--top", "-n", min=1, help="How many to list")] = 20,
    by: Annotated[
        Literal["doubt", "loss"],
        typer.Option(help="Order: how doubtful the label is, or the net's loss alone"),
    ] = "doubt",
    label: Annotated[
        str | None, typer.Option(metavar="CLASS", help="Only samples with this label")
    ] = None,
    prediction: Annotated[
        str | None, typer.Option(metavar="CLASS", help="Only samples that the net says this of")
    ] = None,
    csv: Annotated[
        Path | None,
        typer.Option(help="Write all of these samples, in this order", dir_okay=False),
    ] = None,
    exclude: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.csv",
            help="Add the listed samples to a file of corrections, to be left out",
            dir_okay=False,
        ),
    ] = None,
    relabel: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.csv",
            help="Add the listed samples to a file of corrections, with the class of most neighbours",
            dir_okay=False,
        ),
    ] = None,
    trust_code: TrustCode = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """List the samples whose label is most likely wrong, as the net of a run sees them.

    RUN is a training with classes; of a sweep, the best trial is taken. Two things make a label
    doubtful: the net's loss there, and other labels among the 10 samples that the net sees as most
    alike. The list is an order to look through, not a verdict: rare but right samples are in it too.

    A file of corrections (key, action, label) is text: look through it, then train with
    --set data.corrections=FILE.csv.

    It reads the prepared data of the run, so neither Spark nor Ray starts.

    **Examples**

    `workbench data labels latest`

    `workbench data labels 0123abcd --split test --csv doubtful.csv`

    `workbench data labels latest --label shirt -n 50 --exclude corrections.csv`
    """
    import nets
    from tracking import Reader
    from workbench.errors import DataError
    from workbench.export import export
    from workbench.training import samples

    reader = Reader()
    chosen = reader.run(run)
    if best := chosen.tags.get("workbench.best_run"):
        chosen = reader.run(best)
    prepared = samples.find_data(chosen)
    with tempfile.TemporaryDirectory() as folder:
        export(reader, chosen, Path(folder) / "model", trust_code=trust_code)
        net = nets.load(Path(folder) / "model", trust_code=trust_code)
    seen = samples.look(net, prepared, split)
    if "doubt" not in seen.frame:
        raise DataError(
            f"Run {chosen.run_id[:8]} predicts no classes, or its {split} split has one row, so no "
            "label can be doubted."
        )
    table = describe_doubtful(seen, by)
    table = _only(_only(table, "label", label, seen), "prediction", prediction, seen)
    if csv is not None:
        table.to_csv(csv, index=False)
    files = _write(table.head(top), exclude, relabel)
    if json:
        return output.print_json(
            {
                "run": chosen.run_id,
                "split": split,
                "rows": seen.num_rows,
                "looked_at": len(seen.frame),
                "samples": table.head(top).to_dict("records"),
                "corrections": files,
            }
        )
    _show(table.head(top), seen, csv)
    for file, num in files.items():
        output.out().print(
            f"{num:,} corrections are in {file}. Look through it, then train: "
            f"{output.program()} train EXPERIMENT --set data.corrections={file}",
            soft_wrap=True,
        )


def describe_doubtful(seen: Samples, by: str = "doubt") -> pd.DataFrame:
    """All samples with class names, the most doubtful first, or those with the largest loss."""
    frame = seen.frame.sort_values(by, ascending=False)
    for column in ("label", "prediction", "suggestion"):
        names = dict(enumerate(seen.labels or ()))
        frame[column] = frame[column].map(lambda index, names=names: names.get(index, str(index)))
    return frame.reset_index(drop=True)


def _only(table: pd.DataFrame, column: str, name: str | None, seen: Samples) -> pd.DataFrame:
    """The rows with that class in the column.

    Raises:
        DataError: there is no such class.
    """
    from workbench.errors import DataError

    if name is None:
        return table
    if name not in (seen.labels or ()):
        raise DataError(
            f"--{column} must be a class of the data, {', '.join(seen.labels or ())}, got {name!r}."
        )
    return table[table[column] == name].reset_index(drop=True)


def _write(listed: pd.DataFrame, exclude: Path | None, relabel: Path | None) -> dict[str, int]:
    """Add the listed samples to files of corrections: how many each one holds now."""
    from workbench.data import Correction, add_corrections

    files = {}
    rows = listed.to_dict("records")
    if exclude is not None:
        marked = {str(row["key"]): Correction(action="exclude") for row in rows}
        files[str(exclude)] = add_corrections(exclude, marked)
    if relabel is not None:
        marked = {
            str(row["key"]): Correction(action="relabel", label=str(row["suggestion"]))
            for row in rows
            if row["suggestion"] != row["label"]
        }
        files[str(relabel)] = add_corrections(relabel, marked)
    return files


def _show(table: pd.DataFrame, seen: Samples, csv: Path | None) -> None:
    out = output.out()
    shown = output.plain_table(
        "sample", "label", "the net says", "neighbours say", "agree", "loss", "doubt"
    )
    for row in table.to_dict("records"):
        shown.add_row(
            str(row["key"]),
            str(row["label"]),
            f"{row['prediction']} ({row['confidence']:.0%})",
            str(row["suggestion"]),
            str(row["agreeing"]),
            f"{row['loss']:.3g}",
            f"{row['doubt']:.3f}",
        )
    out.print(shown)
    some = "" if len(seen.frame) == seen.num_rows else f" (of {seen.num_rows:,}, evenly spread)"
    out.print(
        f"{len(table):,} of {len(seen.frame):,} rows of the {seen.split} split{some}. 'agree' counts the "
        "10 nearest samples with the same label.",
        soft_wrap=True,
    )
    if csv is not None:
        out.print(f"All of them, in this order: {csv}", soft_wrap=True)
