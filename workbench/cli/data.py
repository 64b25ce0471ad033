"""`workbench data`: describe a source, and download well-known data sets."""

from __future__ import annotations

import json as json_module
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from workbench.cli import output
from workbench.cli.options import Cluster, Debug, Json, Set, build_experiment, collect_changes
from workbench.home import home_folder

if TYPE_CHECKING:
    from workbench.data.downloads import DataSet
    from workbench.experiments.experiment import Experiment
    from workbench.preflight.source import Description

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
    cluster: Cluster = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Read data as a training does, and describe it.

    Shows rows, classes and their balance, the size of a sample, the split, unreadable rows with the
    reason, and the fingerprint. Also draws samples of each class into a picture.

    **Examples**

    `workbench data describe digits_cnn`

    `workbench data describe pictures/ --samples sheet.png`

    `workbench data describe table.csv --set data.source.label=species`
    """
    from workbench.progress.terminal import Terminal

    with output.progress_console() as console, Terminal(console) as progress:
        progress.stage("Loading the libraries")
        chosen = resolve_experiment(source, set_, cluster)
        from workbench import data
        from workbench.cluster import open_session
        from workbench.preflight.source import describe as describe_source

        with open_session(chosen.cluster, progress=progress) as opened:
            data.download_if_missing(chosen.data.source, progress)
            progress.stage("Reading the data in Spark")
            name = data.fingerprint(chosen.data, chosen.preparation)
            sheet = samples or home_folder() / "samples" / f"{name}.png"
            description = describe_source(
                chosen.data, chosen.preparation, opened.spark, samples=sheet, progress=progress
            )
            progress.stage_done()
    if json:
        output.print_json(description)
    else:
        _show(description)


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


def resolve_experiment(source: str, set_: list[str] | None, cluster: str | None) -> Experiment:
    """The named experiment, or an experiment on the named source."""
    from nets.config import from_dict, override
    from nets.errors import ConfigError
    from workbench.data import DataConfig, guess_source
    from workbench.experiments import names
    from workbench.experiments.experiment import Experiment

    if source.startswith("{"):
        try:
            settings = json_module.loads(source)
        except json_module.JSONDecodeError as error:
            raise ConfigError(f"SOURCE is not JSON ({error}), got {source!r}.") from None
    elif source in names() or ".py" in source or not Path(source).expanduser().exists():
        return build_experiment(source, set_, cluster=cluster)
    else:
        settings = guess_source(source)
    tree: dict[str, Any] = {"source": settings}
    if isinstance(settings, dict) and settings.get("kind") == "series":
        tree["split"] = {"by": "time"}  # rows, the default, cannot be; --set changes it
    experiment = Experiment(name="described", data=from_dict(DataConfig, tree))
    return override(experiment, collect_changes(set_, cluster=cluster))


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
