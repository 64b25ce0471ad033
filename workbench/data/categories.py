"""Categories of a table as one-hot features: those that the training split has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from nets.spec import TensorSpec
from workbench.data.canonical import CanonicalFrame
from workbench.data.rows import binary

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, kw_only=True)
class _Block:
    """One feature of the stored vector, and the features that it becomes."""

    column: int
    codes: tuple[int, ...] | None
    """Codes of the categories that are kept, in order; None: a number, which stays."""


def encode_categories(
    canonical: CanonicalFrame, categories: Mapping[str, tuple[str, ...]]
) -> CanonicalFrame:
    """Vectors with 1 at their category and 0 elsewhere, in place of the category's code.

    The categories are those of the training rows. A value that only other splits have is none of
    them: its features are all 0. That is said.

    Args:
        canonical: vectors float32 with its split filled; `feature_names` names each place.
        categories: values by code, for each column that is one.
    """
    places = {i: name for i, name in enumerate(canonical.feature_names) if name in categories}
    seen = _find_codes(canonical, tuple(places))
    blocks, names, said = [], [], list(canonical.decided)
    for i, name in enumerate(canonical.feature_names):
        if i not in places:
            blocks.append(_Block(column=i, codes=None))
            names.append(name)
            continue
        codes = tuple(sorted(code for split, at, code in seen if split == "train" and at == i))
        blocks.append(_Block(column=i, codes=codes))
        values = categories[name]
        names += [f"{name}={values[code]}" for code in codes]
        said.append(
            f"Category {name}, one feature for each value of the training rows: {', '.join(values[code] for code in codes)}."
        )
        if others := sorted({code for _, at, code in seen if at == i} - set(codes)):
            shown = ", ".join(values[code] for code in others)
            said.append(
                f"Category {name}: no training row has {shown}; rows with it are 0 in all of these features."
            )
    spec = TensorSpec(kind="vector", shape=(len(names),))
    width = canonical.spec.shape[0]
    kinds = ", ".join(f"`{f.name}` {f.dataType.simpleString()}" for f in canonical.frame.schema)
    frame = canonical.frame.mapInArrow(lambda batches: _widen(batches, width, blocks), kinds)
    return replace(
        canonical, frame=frame, spec=spec, feature_names=tuple(names), decided=tuple(said)
    )


def _find_codes(canonical: CanonicalFrame, places: tuple[int, ...]) -> set[tuple[str, int, int]]:
    """(split, place, code) of all that is there; one pass."""
    width = canonical.spec.shape[0]

    def find(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        found: set[tuple[str, int, int]] = set()
        for batch in batches:
            values = _read(batch, width)
            splits = batch.column("split").to_numpy(zero_copy_only=False)
            for split in np.unique(splits):
                for place in places:
                    codes = np.unique(values[splits == split, place])
                    found |= {(split, place, int(code)) for code in codes if code >= 0}
        rows = sorted(found)
        yield pa.RecordBatch.from_pydict(
            {
                "split": pa.array([row[0] for row in rows], pa.string()),
                "place": pa.array([row[1] for row in rows], pa.int32()),
                "code": pa.array([row[2] for row in rows], pa.int32()),
            }
        )

    rows = canonical.frame.select("features", "split").mapInArrow(
        find, "split string, place int, code int"
    )
    return {(row["split"], row["place"], row["code"]) for row in rows.distinct().collect()}


def _widen(
    batches: Iterator[pa.RecordBatch], width: int, blocks: list[_Block]
) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    for batch in batches:
        values = _read(batch, width)
        parts = []
        for block in blocks:
            column = values[:, block.column : block.column + 1]
            parts.append(column if block.codes is None else column == np.array(block.codes))
        wide = np.concatenate([part.astype(np.float32) for part in parts], axis=1)
        columns = dict(zip(batch.schema.names, batch.columns, strict=True))
        yield pa.RecordBatch.from_pydict({**columns, "features": binary(wide)})


def _read(batch: pa.RecordBatch, width: int) -> np.ndarray:
    raw = b"".join(value.as_buffer() for value in batch.column("features"))
    return np.frombuffer(raw, np.float32).reshape(batch.num_rows, width)
