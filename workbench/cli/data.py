"""`workbench data`: describe a source, and download well-known data sets."""

from __future__ import annotations

import json as json_module
import re
from collections.abc import Mapping
from dataclasses import replace
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

    `workbench data describe pictures/ --save my_experiment.py`, then `workbench train my_experiment.py`
    """
    from workbench.progress.terminal import Terminal

    _refuse_other_settings(set_)
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
    description = replace(description, decided=[*_guessed(source), *description.decided])
    if save is not None:
        _save(chosen, description, save)
    if json:
        output.print_json(description)
    else:
        _show(description)
        if save is not None:
            output.out().print(f"Train it: {output.program()} train {save}", soft_wrap=True)


def _refuse_other_settings(set_: list[str] | None) -> None:
    """Refuse settings that say nothing about the data."""
    for text in set_ or ():
        if not text.startswith(("data.", "preparation.", "cluster.")):
            raise typer.BadParameter(
                f"this command describes data, and --set {text} would change nothing. It takes settings "
                "of data, preparation and cluster; `workbench train` takes all of them."
            )


def _save(chosen: Experiment, description: Description, file: Path) -> None:
    """Write the experiment: one that was named as it is, another one by the recipe for its data.

    Raises:
        DataError: the data cannot be trained on.
    """
    from workbench.errors import DataError
    from workbench.experiments.write import save_experiment
    from workbench.preflight import experiment_for

    if description.problem:
        raise DataError(f"{file} is not written, as a training would fail. {description.problem}")
    if chosen.name == "described":
        chosen = experiment_for(chosen.data, description, name=file.stem)
    save_experiment(chosen, file)


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
    from nets.config import from_dict
    from nets.errors import ConfigError
    from workbench.data import DataConfig, guess_source
    from workbench.experiments import names
    from workbench.experiments.changes import override
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
    changes = collect_changes(set_, cluster=cluster)
    for path, value in changes.items():  # a source may be whole only with them
        if path.startswith("data.source.") and path.count(".") == 2 and isinstance(settings, dict):
            settings[path.removeprefix("data.source.")] = _parse(value)
    experiment = Experiment(name="described", data=from_dict(DataConfig, tree))
    return override(experiment, changes)


def _parse(value: Any) -> Any:
    try:
        return json_module.loads(value)
    except (TypeError, ValueError):
        return value


def is_data_path(name: str) -> bool:
    """Whether a name is that of a file or folder of data, and not of an experiment."""
    from workbench.experiments import names

    return name not in names() and ".py" not in name and Path(name).expanduser().exists()


def experiment_of_path(
    path: str,
    set_: list[str] | None,
    cluster: str | None,
    save: Path | None,
    progress: Progress,
) -> str:
    """Describe the data at a path, write an experiment by its recipe, and return the file's name.

    Args:
        save: the file; None: below WORKBENCH_HOME, where an earlier one for the same data is replaced.

    Raises:
        DataError: the data cannot be read, or not be trained on.
    """
    from workbench import data
    from workbench.cluster import open_session
    from workbench.preflight.source import describe as describe_source

    asked = [text for text in set_ or () if text.startswith(("data.", "cluster."))]
    chosen = resolve_experiment(path, asked, cluster)
    with open_session(chosen.cluster, progress=progress) as opened:
        progress.stage(f"Describing {path}")
        description = describe_source(
            chosen.data, chosen.preparation, opened.spark, progress=progress
        )
    for sentence in (*_guessed(path), *description.decided):
        progress.note(sentence)
    file = save
    if file is None:
        name = data.fingerprint(chosen.data, chosen.preparation)
        stem = re.sub(r"\W", "_", Path(path).stem) or "data"
        file = home_folder() / "experiments" / f"{stem}_{name}.py"
        file.unlink(missing_ok=True)
    _save(chosen, description, file)
    progress.note(f"The experiment: {file}")
    progress.stage_done()
    return str(file)


def _guessed(source: str) -> list[str]:
    """What was guessed about a path; nothing about an experiment."""
    from workbench.data.guess import describe_guess, guess_source

    return describe_guess(guess_source(source)) if is_data_path(source) else []


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
