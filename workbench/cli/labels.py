"""`workbench data labels`: samples of a run's data whose label may be wrong."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
    csv: Annotated[
        Path | None, typer.Option(help="Write all samples, the most doubtful first", dir_okay=False)
    ] = None,
    trust_code: TrustCode = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """List the samples whose label is most likely wrong, as the net of a run sees them.

    RUN is a training with classes; of a sweep, the best trial is taken. Two things make a label
    doubtful: the net's loss there, and other labels among the 10 samples that the net sees as most
    alike. The list is an order to look through, not a verdict: rare but right samples are in it too.

    It reads the prepared data of the run, so neither Spark nor Ray starts.

    **Examples**

    `workbench data labels latest`

    `workbench data labels 0123abcd --split test --csv doubtful.csv`
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
    table = describe_doubtful(seen)
    if csv is not None:
        table.to_csv(csv, index=False)
    if json:
        return output.print_json(
            {
                "run": chosen.run_id,
                "split": split,
                "rows": seen.num_rows,
                "looked_at": len(table),
                "samples": table.head(top).to_dict("records"),
            }
        )
    _show(table.head(top), seen, csv)


def describe_doubtful(seen: Samples) -> pd.DataFrame:
    """All samples with class names, the most doubtful first."""
    frame = seen.frame.sort_values("doubt", ascending=False)
    for column in ("label", "prediction", "suggestion"):
        names = dict(enumerate(seen.labels or ()))
        frame[column] = frame[column].map(lambda index, names=names: names.get(index, str(index)))
    return frame.reset_index(drop=True)


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
