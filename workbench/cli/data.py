"""`workbench data`: what a source holds, before anything is trained on it."""

from __future__ import annotations

import json as json_module
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from workbench.cli import output
from workbench.cli.options import Cluster, Debug, Json, Set, changes_of, configured
from workbench.home import home_folder

if TYPE_CHECKING:
    from workbench.data.downloads import DataSet
    from workbench.experiments.experiment import Experiment
    from workbench.preflight.source import Description

app = typer.Typer(no_args_is_help=True, help="Look at data, and get some")

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
    """Read data as a training would, and say what is in it.

    Rows, classes and their balance, the size of a sample, the split, rows that cannot be read and
    why, the fingerprint; and a picture with samples of each class.

    **Examples**

    `workbench data describe digits_cnn`

    `workbench data describe pictures/ --samples sheet.png`

    `workbench data describe table.csv --set data.source.label=species`
    """
    from workbench.progress.terminal import Terminal

    with output.progress_console() as console, Terminal(console) as progress:
        progress.stage("Loading the libraries")
        chosen = _experiment(source, set_, cluster)
        from workbench import data
        from workbench.cluster import open_session
        from workbench.preflight.source import describe as look

        with open_session(chosen.cluster, progress=progress) as opened:
            data.download_if_missing(chosen.data.source, progress)
            progress.stage("Reading the data in Spark")
            name = data.fingerprint(chosen.data, chosen.preparation)
            sheet = samples or home_folder() / "samples" / f"{name}.png"
            found = look(chosen.data, chosen.preparation, opened.spark, samples=sheet)
            progress.stage_done()
    if json:
        output.print_json(found)
    else:
        _show(found)


@app.command("download")
def download(
    name: Annotated[
        str | None, typer.Argument(help="Of a known data set", show_default=False)
    ] = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Fetch a well-known data set, or list those there are.

    A download that broke off is continued, and what arrives is checked. Sets lie in `data` below
    WORKBENCH_HOME, or in WORKBENCH_DATA; a source takes the set's name for its path.

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


def _list(known: Mapping[str, DataSet], json: bool) -> None:
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
                for name, one in known.items()
            }
        )
        return
    table = output.plain_table("name", "what it is", "MB", "here", right=("MB",))
    for name, one in known.items():
        here = "-" if find_missing(name) else str(locate(name))
        table.add_row(Text(name, "bold"), one.about, f"{one.size / 1e6:.0f}", here)
    output.out().print(table)


def _experiment(source: str, set_: list[str] | None, cluster: str | None) -> Experiment:
    """The experiment named, or one made of the source that is named."""
    from nets.config import from_dict, override
    from nets.errors import ConfigError
    from workbench.data.config import DataConfig
    from workbench.data.guess import guess_source
    from workbench.experiments import names
    from workbench.experiments.experiment import Experiment

    if source.startswith("{"):
        try:
            settings = json_module.loads(source)
        except json_module.JSONDecodeError as error:
            raise ConfigError(f"SOURCE is no JSON ({error}), got {source!r}.") from None
    elif source in names() or ".py" in source or not Path(source).expanduser().exists():
        return configured(source, set_, cluster=cluster)
    else:
        settings = guess_source(source)
    made = Experiment(name="described", data=from_dict(DataConfig, {"source": settings}))
    return override(made, changes_of(set_, cluster=cluster))


def _show(found: Description) -> None:
    out = output.out()
    spec = found.spec
    out.print(Text(found.source["kind"], "bold"), found.source.get("path") or "")
    facts = {
        "sample": f"{spec['kind']} {tuple(spec['shape'])} {spec['dtype']}, {found.sample_bytes:,} bytes",
        "rows": ", ".join(f"{name} {rows:,}" for name, rows in found.rows.items()) or "none",
        "bytes": f"{found.num_bytes:,} in {found.partitions} partitions",
        "bad rows": f"{found.bad['rows']:,}",
        **(
            {}
            if found.balance is None
            else {"balance": f"{found.balance:.3g} (rarest / commonest)"}
        ),
        **{name: _figure(value) for name, value in found.figures.items()},
        "fingerprint": found.fingerprint,
        "content": found.content,
        "read in": f"{found.seconds:.1f} s",
    }
    out.print(output.pairs(facts))
    if found.labels is not None:
        table = output.plain_table("class", *found.class_counts, right=tuple(found.class_counts))
        for i, label in enumerate(found.labels[:_SHOWN]):
            table.add_row(Text(label), *(f"{rows[i]:,}" for rows in found.class_counts.values()))
        out.print(table)
        if len(found.labels) > _SHOWN:
            out.print(f"and {len(found.labels) - _SHOWN} more classes (all of them: --json)")
    for name, texts in list(found.texts.items())[:_SHOWN]:
        out.print(Text(name, "bold"), Text(" | ".join(text[:80] for text in texts)))
    for row in found.bad["examples"][:5]:
        out.print(Text(f"bad: {row['key']}: {row['reason']}", "yellow"))
    for part, names in found.missing_classes.items():
        out.print(Text(f"no rows in {part}: {', '.join(names[:10])}", "yellow"))
    if found.problem:
        out.print(Text(f"Not ready to train on. {found.problem}", "red"))
    if found.samples:
        out.print(f"Samples: {found.samples}")


def _figure(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_figure(part)}" for name, part in value.items())
    return f"{value:.4g}" if isinstance(value, float) else f"{value}"
