"""`workbench data list`, `remove` and `prune`: data that is prepared and kept on this machine."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.cli import output
from workbench.cli.options import Json

if TYPE_CHECKING:
    from workbench.bridge.kept import Kept


def list_prepared(json: Json = False) -> None:
    """List the prepared data on this machine, the most recently used first.

    A training finds it by the settings of its data: no Spark starts, and nothing is read again. It
    lies in `prepared` below WORKBENCH_HOME. WORKBENCH_PREPARED_GB bounds what is kept.
    """
    from workbench.bridge import kept
    from workbench.preflight.capacity import in_words

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
) -> None:
    """Remove prepared data. The next training that needs it prepares it again.

    Data that a training reads at the moment is refused.
    """
    from workbench.bridge import kept

    for name in data:
        _print_removed(kept.remove(name))


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
) -> None:
    """Remove prepared data until the rest is within a bound, the least recently used first.

    `workbench data prune --keep-gb 0` removes everything that is not in use.
    """
    from workbench.bridge import kept

    bound = None if gigabytes is None else int(gigabytes * 1e9)
    removed = kept.prune(bound, fresh_s=0)
    for store in removed:
        _print_removed(store)
    if not removed:
        output.out().print("Nothing was removed.")


def _print_removed(store: Kept) -> None:
    from workbench.preflight.capacity import in_words

    output.out().print(f"Removed {store.folder.name} ({in_words(store.num_bytes)}).")


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
