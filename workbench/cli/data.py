"""`workbench data`: describe a source, and download well-known data sets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from workbench.cli import output
from workbench.cli.jobs import run_on_bench
from workbench.cli.options import Cluster, Debug, Json, Own, Set, collect_changes
from workbench.home import home_folder, sheet_file
from workbench.jobs.request import DESCRIBED

if TYPE_CHECKING:
    from workbench.data.downloads import DataSet
    from workbench.preflight.source import Description
    from workbench.progress import Progress

app = typer.Typer(
    no_args_is_help=True, help="Describe data, download some, and see what is prepared"
)

_SHOWN = 30
"""Classes listed in the terminal."""


@app.command("describe")
def describe(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="An experiment (its name, or path/to/file.py:function), a file or folder of data, or "
            'a source\'s settings as JSON: \'{"kind": "idx", "path": "..."}\'',
            show_default=False,
        ),
    ],
    set_: Set = None,
    samples: Annotated[
        Path | None,
        typer.Option(help="PNG file for the contact sheet", show_default="below WORKBENCH_HOME"),
    ] = None,
    save: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.py",
            help="Write an experiment for this data, by the recipe for its kind, into a new file",
            show_default=False,
        ),
    ] = None,
    cluster: Cluster = None,
    own: Own = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Read data as a training does, and describe it. A bench that is up and free does it.

    Shows rows, classes and their balance, the size of a sample, the split, unreadable rows with the
    reason, and the fingerprint. Also draws samples of each class into a picture.

    **Examples**

    `workbench data describe digits_cnn`

    `workbench data describe pictures/ --samples sheet.png`

    `workbench data describe table.csv --set data.source.label=species`

    `workbench data describe pictures/ --save my_experiment.py`, then `workbench train my_experiment.py`
    """
    from workbench.progress.terminal import Terminal

    _refuse_other_settings(set_)
    with output.progress_console() as console, Terminal(console) as progress:
        changes = collect_changes(set_, cluster=cluster)
        sheet = samples or sheet_file(source, changes)
        description = _describe(source, changes, progress, own=own, samples=sheet)
        if save is not None:
            _save(source, changes, description, save)
    if json:
        output.print_json(description)
    else:
        _show(description)
        if save is not None:
            output.out().print(f"Train it: {output.program()} train {save}", soft_wrap=True)


def _describe(
    source: str,
    changes: dict[str, Any],
    progress: Progress,
    *,
    own: bool,
    samples: Path | None = None,
) -> Description:
    """Describe data on the bench that is up and free, else with Ray and Spark of this command."""
    if end := run_on_bench("describe", source, changes, progress, own=own, samples=samples):
        from workbench.preflight.source import Description

        return Description.from_dict(end.result or {})
    progress.stage("Loading the libraries")
    from workbench.cluster import open_session
    from workbench.preflight.named import describe_named, resolve

    chosen = resolve(source, changes)
    with open_session(chosen.cluster, progress=progress) as opened:
        return describe_named(
            source,
            chosen.data,
            chosen.preparation,
            opened.spark,
            samples=samples,
            progress=progress,
        )


def _refuse_other_settings(set_: list[str] | None) -> None:
    """Refuse settings that say nothing about the data."""
    for text in set_ or ():
        if not text.startswith(DESCRIBED):
            raise typer.BadParameter(
                f"this command describes data, and --set {text} would change nothing. It takes settings "
                "of data, preparation and cluster; `workbench train` takes all of them."
            )


def _save(
    source: str, changes: dict[str, Any], description: Description, file: Path | None
) -> Path:
    """Write the experiment: one that was named as it is, another one by the recipe for its data.

    Args:
        file: None: below WORKBENCH_HOME, where an earlier one for the same data is replaced.

    Raises:
        DataError: the data cannot be trained on.
    """
    from workbench.errors import DataError
    from workbench.experiments.write import save_experiment
    from workbench.preflight import experiment_for
    from workbench.preflight.named import UNNAMED, resolve

    if description.problem:
        what = "No experiment is" if file is None else f"{file} is not"
        raise DataError(f"{what} written, as a training would fail. {description.problem}")
    if file is None:
        stem = re.sub(r"\W", "_", Path(source).stem) or "data"
        file = home_folder() / "experiments" / f"{stem}_{description.fingerprint}.py"
        file.unlink(missing_ok=True)
    chosen = resolve(source, changes)
    if chosen.name == UNNAMED:
        chosen = experiment_for(chosen.data, description, name=file.stem)
    save_experiment(chosen, file)
    return file


@app.command("download")
def download(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="A well-known data set", show_default=False)
    ] = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Download a well-known data set, or list them all.

    An interrupted download is continued, and the files are checked. They are stored in `data` below
    WORKBENCH_HOME, or in WORKBENCH_DATA. A source takes a data set's name as its path.

    **Examples**

    `workbench data download`

    `workbench data download fashion-mnist`
    """
    from workbench.data import download_if_missing, downloads
    from workbench.progress.terminal import Terminal

    if name is None:
        _list(downloads.DATA_SETS, json)
        return
    with output.progress_console() as console, Terminal(console) as progress:
        if name in downloads.DATA_SETS:
            download_if_missing(name, progress)
        place = downloads.fetch(name)
        progress.stage_done()
    if json:
        output.print_json({"name": name, "path": str(place)})
    else:
        output.out().print(f"{name}: {place}")


def _list(data_sets: Mapping[str, DataSet], json: bool) -> None:
    from workbench.data.downloads import find_missing, locate

    if json:
        output.print_json(
            {
                name: {
                    "about": one.about,
                    "bytes": one.size,
                    "path": str(locate(name)),
                    "here": not find_missing(name),
                }
                for name, one in data_sets.items()
            }
        )
        return
    table = output.plain_table("name", "what it is", "MB", "here", right=("MB",))
    for name, one in data_sets.items():
        here = "-" if find_missing(name) else str(locate(name))
        table.add_row(Text(name, "bold"), one.about, f"{one.size / 1e6:.0f}", here)
    output.out().print(table)


def experiment_of_path(
    path: str,
    set_: list[str] | None,
    cluster: str | None,
    save: Path | None,
    progress: Progress,
    *,
    own: bool,
) -> str:
    """Describe the data at a path, write an experiment by its recipe, and return the file's name.

    Args:
        save: the file; None: below WORKBENCH_HOME, where an earlier one for the same data is replaced.
        own: Ray and Spark are started for this, even when a bench is up.

    Raises:
        DataError: the data cannot be read, or not be trained on.
    """
    asked = [text for text in set_ or () if text.startswith(("data.", "cluster."))]
    changes = collect_changes(asked, cluster=cluster)
    description = _describe(path, changes, progress, own=own)
    for sentence in description.decided:
        progress.note(sentence)
    file = _save(path, changes, description, save)
    progress.note(f"The experiment: {file}")
    progress.stage_done()
    return str(file)


def _show(description: Description) -> None:
    out = output.out()
    spec = description.spec
    out.print(Text(description.source["kind"], "bold"), description.source.get("path") or "")
    facts = {
        "sample": f"{spec['kind']} {tuple(spec['shape'])} {spec['dtype']}, {description.sample_bytes:,} bytes",
        "rows": ", ".join(f"{name} {rows:,}" for name, rows in description.rows.items()) or "none",
        "bytes": f"{description.num_bytes:,} in {description.partitions} partitions",
        "bad rows": f"{description.bad['rows']:,}",
        **(
            {}
            if description.balance is None
            else {"balance": f"{description.balance:.3g} (rarest / commonest)"}
        ),
        **{name: _figure(value) for name, value in description.figures.items()},
        "fingerprint": description.fingerprint,
        "content": description.content,
        "read in": f"{description.seconds:.1f} s",
    }
    out.print(output.pairs(facts))
    if description.labels is not None:
        table = output.plain_table(
            "class", *description.class_counts, right=tuple(description.class_counts)
        )
        for i, label in enumerate(description.labels[:_SHOWN]):
            table.add_row(
                Text(label), *(f"{rows[i]:,}" for rows in description.class_counts.values())
            )
        out.print(table)
        if len(description.labels) > _SHOWN:
            out.print(f"and {len(description.labels) - _SHOWN} more classes (all of them: --json)")
    if description.decided:
        out.print(Text("Decided", "bold"))
        for sentence in description.decided:
            out.print(Text(f"- {sentence}"))
    for name, texts in list(description.texts.items())[:_SHOWN]:
        out.print(Text(name, "bold"), Text(" | ".join(text[:80] for text in texts)))
    for row in description.bad["examples"][:5]:
        out.print(Text(f"bad: {row['key']}: {row['reason']}", "yellow"))
    for part, names in description.missing_classes.items():
        out.print(Text(f"no rows in {part}: {', '.join(names[:10])}", "yellow"))
    if description.problem:
        out.print(Text(f"Cannot be trained on. {description.problem}", "red"))
    if description.samples:
        out.print(f"Samples: {description.samples}")


def _figure(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_figure(part)}" for name, part in value.items())
    return f"{value:.4g}" if isinstance(value, float) else f"{value}"
