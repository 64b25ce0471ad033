"""`workbench data list`, `remove` and `prune`: data that is prepared and kept, here or in `cluster.storage`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.cli import output
from workbench.cli.options import Json

if TYPE_CHECKING:
    from workbench.bridge.kept import Kept
    from workbench.bridge.shards import SharedDescription
    from workbench.bridge.store import Description

Storage = Annotated[
    str | None,
    typer.Option(
        help="The folder or URL of cluster.storage, such as s3://bucket/folder, instead of this machine",
        show_default=False,
    ),
]


def list_prepared(storage: Storage = None, json: Json = False) -> None:
    """List the prepared data on this machine, the most recently used first.

    A training finds it by the settings of its data: no Spark starts, and nothing is read again. It
    lies in `prepared` below WORKBENCH_HOME. WORKBENCH_PREPARED_GB bounds what is kept. With
    --storage, what lies in cluster.storage is listed, the latest written first.
    """
    from workbench.bridge import kept
    from workbench.preflight.capacity import in_words

    if storage is not None:
        return _list_shared(storage, json)
    stores = kept.list_kept()
    rows = [_describe(store) for store in stores]
    if json:
        return output.print_json(rows)
    if not rows:
        output.out().print("No prepared data is kept here.")
        return
    _print_table(rows, ["in use" if row["in_use"] else "" for row in rows], "last used", "used")
    total = sum(store.num_bytes for store in stores)
    output.out().print(f"{in_words(total)} in all; up to {in_words(kept.bound_bytes())} are kept.")


def remove_prepared(
    data: Annotated[
        list[str],
        typer.Argument(help="Fingerprints, or their first letters, as `workbench data list` shows"),
    ],
    storage: Storage = None,
) -> None:
    """Remove prepared data. The next training that needs it prepares it again.

    Data that a training on this machine reads at the moment is refused. What other machines read from
    cluster.storage is not known: a training that does ends with a message.
    """
    from workbench.bridge import kept
    from workbench.bridge.shared_kept import remove_shared

    for name in data:
        if storage is None:
            store = kept.remove(name)
            _print_removed(store.folder.name, store.num_bytes)
        else:
            there = remove_shared(storage, name)
            _print_removed(there.name, there.num_bytes, " from cluster.storage")


def prune_prepared(
    gigabytes: Annotated[
        float | None,
        typer.Option(
            "--keep-gb",
            min=0,
            help="Gigabytes to keep",
            show_default="WORKBENCH_PREPARED_GB, or a quarter of the disk",
        ),
    ] = None,
    storage: Storage = None,
) -> None:
    """Remove prepared data until the rest is within a bound, the least recently used first.

    `workbench data prune --keep-gb 0` removes everything that is not in use. With --storage, what
    another version of the workbench wrote goes first, then the oldest; --keep-gb is needed, and what
    other machines read is not known.
    """
    from workbench.bridge import kept
    from workbench.bridge.shared_kept import prune_shared

    bound = None if gigabytes is None else int(gigabytes * 1e9)
    if storage is None:
        removed = [(store.folder.name, store.num_bytes) for store in kept.prune(bound, fresh_s=0)]
    elif bound is None:
        from nets.errors import ConfigError

        raise ConfigError("--storage has no bound of its own: give --keep-gb, such as 100.")
    else:
        removed = [(store.name, store.num_bytes) for store in prune_shared(storage, bound)]
    for name, num_bytes in removed:
        _print_removed(name, num_bytes, "" if storage is None else " from cluster.storage")
    if not removed:
        output.out().print("Nothing was removed.")


def _print_removed(name: str, num_bytes: int, where: str = "") -> None:
    from workbench.preflight.capacity import in_words

    output.out().print(f"Removed {name} ({in_words(num_bytes)}){where}.")


def _print_table(rows: list[dict[str, Any]], states: list[str], heading: str, moment: str) -> None:
    """
    Args:
        heading: of the column with the time of each row under `moment`.
    """
    from workbench.preflight.capacity import in_words

    table = output.plain_table("data", "rows", "sample", "size", heading, "", right=("size",))
    for row, state in zip(rows, states, strict=True):
        table.add_row(
            row["fingerprint"],
            ", ".join(f"{count:,} {split}" for split, count in row["rows"].items()),
            "x".join(map(str, row["shape"])),
            in_words(row["bytes"]),
            time.strftime("%Y-%m-%d %H:%M", time.localtime(row[moment])),
            state,
        )
    output.out().print(table)


def _list_shared(storage: str, json: bool) -> None:
    from workbench.bridge.shared_kept import list_shared
    from workbench.preflight.capacity import in_words

    stores = list_shared(storage)
    rows = [
        {
            "fingerprint": store.name,
            **_describe_rows(store.description),
            "bytes": store.num_bytes,
            "written": store.written,
            "current": store.is_current,
        }
        for store in stores
    ]
    if json:
        return output.print_json(rows)
    if not rows:
        output.out().print("No prepared data is kept there.")
        return
    states = ["" if row["current"] else "of another version" for row in rows]
    _print_table(rows, states, "written", "written")
    output.out().print(f"{in_words(sum(store.num_bytes for store in stores))} in all.")


def _describe(store: Kept) -> dict[str, Any]:
    return {
        "fingerprint": store.folder.name,
        **_describe_rows(store.description),
        "bytes": store.num_bytes,
        "used": store.used,
        "in_use": store.in_use,
        "folder": str(store.folder),
    }


def _describe_rows(description: Description | SharedDescription) -> dict[str, Any]:
    return {
        "rows": {name: split.rows for name, split in description.splits.items()},
        "shape": description.prepared["spec"]["shape"],
    }
