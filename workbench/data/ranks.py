"""Rows at some ranks of an order by hash, found without sorting."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

Place = tuple[int, str]
"""Hash and key: rows are ordered by them."""

_BITS = 8
"""Of the hash, by which rows are counted at a time."""
_FETCHED_ROWS = 50_000
"""Rows that are fetched at most, unless more of them share a hash."""


@dataclass
class _Wanted:
    """A row by its rank among those that have the same first bits of the hash; 0: none is wanted."""

    stratum: Any
    rank: int
    bits: int | None = None
    """None: no bits yet."""

    def narrow(self, counts: dict[int, int]) -> None:
        """Take more bits.

        Args:
            counts: rows of the stratum by these bits.
        """
        for bits in sorted(counts):
            if self.bits is not None and bits >> _BITS != self.bits:
                continue
            if self.rank <= counts[bits]:
                self.bits = bits
                return
            self.rank -= counts[bits]
        raise AssertionError("there are as many rows as were counted before")


def find_places(
    rows: DataFrame, choose_ranks: Callable[[int], Sequence[int]]
) -> dict[Any, list[Place | None]]:
    """The places of the rows at some ranks within each stratum.

    Rows are counted by the first bits of their hash, then, of those that share them with a wanted row, by
    the next bits, until few are left, which are fetched. A window function would sort all rows of a
    stratum in one task.

    Args:
        rows: columns stratum, hash (long), key (string).
        choose_ranks: the ranks, from 1, in a stratum of so many rows; 0: no row.

    Returns:
        For each stratum the places in the order of `choose_ranks`; None for rank 0.
    """
    wanted: dict[Any, list[_Wanted]] | None = None
    near, shift, num_rows = rows, 64, _FETCHED_ROWS + 1
    while num_rows > _FETCHED_ROWS and shift:
        shift -= _BITS
        counts = _count(near, shift)
        if wanted is None:
            wanted = {
                stratum: [_Wanted(stratum, rank) for rank in choose_ranks(sum(parts.values()))]
                for stratum, parts in counts.items()
            }
        every = [each for some in wanted.values() for each in some if each.rank]
        for each in every:
            each.narrow(counts[each.stratum])
        chosen = {(each.stratum, each.bits) for each in every if each.bits is not None}
        num_rows = sum(counts[stratum][bits] for stratum, bits in chosen)
        near = _keep(rows, chosen, shift)
    fetched = near.groupBy("stratum", "hash", "key").count().collect() if num_rows else []
    places: dict[Any, list[tuple[Place, int]]] = defaultdict(list)
    for row in fetched:
        places[row["stratum"], row["hash"] >> shift].append(
            ((row["hash"], row["key"]), row["count"])
        )
    for some in places.values():
        some.sort()
    return {
        stratum: [_pick(places[stratum, each.bits], each.rank) for each in some]
        for stratum, some in (wanted or {}).items()
    }


def _count(rows: DataFrame, shift: int) -> dict[Any, dict[int, int]]:
    """Rows by stratum and by the bits of the hash that a shift leaves."""
    from pyspark.sql import functions as F

    counts: dict[Any, dict[int, int]] = defaultdict(dict)
    bits = F.shiftright("hash", shift).alias("bits")
    for row in rows.groupBy("stratum", bits).count().collect():
        counts[row["stratum"]][row["bits"]] = row["count"]
    return counts


def _keep(rows: DataFrame, chosen: set[tuple[Any, int]], shift: int) -> DataFrame:
    """The rows whose stratum and first bits are among these."""
    from pyspark.sql import functions as F

    kind = rows.schema["stratum"].dataType.simpleString()
    table = rows.sparkSession.createDataFrame(list(chosen), f"stratum {kind}, bits long")
    return rows.withColumn("bits", F.shiftright("hash", shift)).join(
        F.broadcast(table), ["stratum", "bits"], "left_semi"
    )


def _pick(places: list[tuple[Place, int]], rank: int) -> Place | None:
    for place, count in places if rank else ():
        if rank <= count:
            return place
        rank -= count
    return None
