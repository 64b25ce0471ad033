"""`workbench data list`, `remove` and `prune`: data that is prepared and kept, here or in `cluster.storage`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.cli import output
from workbench.cli.options import Json

if TYPE_CHECKING:
    from workbench.bridge.kept import Kept
    from workbench.bridge.shared_kept import SharedKept

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
    if json:
        return output.print_json([_describe(store) for store in stores])
    if not stores:
        output.out().print("No prepared data is kept here.")
        return
    table = output.plain_table("data", "rows", "sample", "size", "last used", "", right=("size",))
    for row in map(_describe, stores):
        table.add_row(
            row["fingerprint"],
            ", ".join(f"{count:,} {split}" for split, count in row["rows"].items()),
            "x".join(map(str, row["shape"])),
            in_words(row["bytes"]),
            time.strftime("%Y-%m-%d %H:%M", time.localtime(row["used"])),
            "in use" if row["in_use"] else "",
        )
    output.out().print(table)
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
            _print_removed(kept.remove(name))
        else:
            _print_removed_shared(remove_shared(storage, name))


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
    if storage is not None:
        if bound is None:
            from nets.errors import ConfigError

            raise ConfigError("--storage has no bound of its own: give --keep-gb, such as 100.")
        removed_there = prune_shared(storage, bound)
        for there in removed_there:
            _print_removed_shared(there)
        if not removed_there:
            output.out().print("Nothing was removed.")
        return
    removed = kept.prune(bound, fresh_s=0)
    for store in removed:
        _print_removed(store)
    if not removed:
        output.out().print("Nothing was removed.")


def _print_removed(store: Kept) -> None:
    from workbench.preflight.capacity import in_words

    output.out().print(f"Removed {store.folder.name} ({in_words(store.num_bytes)}).")


def _print_removed_shared(store: SharedKept) -> None:
    from workbench.preflight.capacity import in_words

    output.out().print(f"Removed {store.name} ({in_words(store.num_bytes)}) from cluster.storage.")


def _list_shared(storage: str, json: bool) -> None:
    from workbench.bridge.shared_kept import list_shared
    from workbench.preflight.capacity import in_words

    stores = list_shared(storage)
    rows = [
        {
            "fingerprint": store.name,
            "rows": {name: split.rows for name, split in store.description.splits.items()},
            "shape": store.description.prepared["spec"]["shape"],
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
    table = output.plain_table("data", "rows", "sample", "size", "written", "", right=("size",))
    for row in rows:
        table.add_row(
            row["fingerprint"],
            ", ".join(f"{count:,} {split}" for split, count in row["rows"].items()),
            "x".join(map(str, row["shape"])),
            in_words(row["bytes"]),
            time.strftime("%Y-%m-%d %H:%M", time.localtime(row["written"])),
            "" if row["current"] else "of another version",
        )
    output.out().print(table)
    output.out().print(f"{in_words(sum(store.num_bytes for store in stores))} in all.")


def _describe(store: Kept) -> dict[str, Any]:
    return {
        "fingerprint": store.folder.name,
        "rows": {name: split.rows for name, split in store.description.splits.items()},
        "shape": store.description.prepared["spec"]["shape"],
        "bytes": store.num_bytes,
        "used": store.used,
        "in_use": store.in_use,
        "folder": str(store.folder),
    }
