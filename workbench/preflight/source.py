"""Describes a source without training: rows, classes, sizes, bad rows, a contact sheet."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nets.config import to_dict
from workbench import data, html
from workbench.data import CanonicalFrame, DataConfig, limit_batches, watch_files
from workbench.errors import DataError
from workbench.preflight.decisions import list_decisions
from workbench.preflight.samples import choose_samples, draw_sheet, keep_samples, show_texts
from workbench.progress import Progress, Silent

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from nets.prepare import PreparationConfig

_CLASSES = 20
"""Classes in a notebook's table."""


@dataclass(frozen=True, kw_only=True)
class Description:
    """A source after reading and splitting, as in a training."""

    source: dict[str, Any]
    """Its settings."""
    spec: dict[str, Any]
    """Kind, shape and dtype of a sample."""
    labels: tuple[str, ...] | None
    """Class names by index; None for measured values."""
    rows: dict[str, int]
    """Rows by split."""
    class_counts: dict[str, list[int]]
    """Rows of each class, by split; empty for measured values."""
    missing_classes: dict[str, list[str]]
    """Classes without a row, by split."""
    balance: float | None
    """Training rows of the rarest class divided by those of the most frequent; 1: balanced."""
    sample_bytes: int
    """Bytes of one encoded sample."""
    num_bytes: int
    """Bytes of all encoded samples."""
    bad: dict[str, Any]
    """Rows that cannot be used: their number, and examples with key and reason."""
    figures: dict[str, Any]
    """More statistics: lengths, label values, the source's own measures."""
    split: dict[str, Any]
    """How rows are held out."""
    partitions: int
    fingerprint: str
    """The fingerprint that a training would give its tensors."""
    content: str
    """A hash of all good rows, which does not depend on their order or partitions."""
    problem: str | None
    """Why a training would refuse this data; None: it would not."""
    seconds: float
    """How long the reading took."""
    decided: list[str] = field(default_factory=list)
    """What was decided about the data, a sentence each: columns, splits, order of classes, rows set aside."""
    samples: str | None = None
    """File of the contact sheet; None: samples of this kind have no picture."""
    samples_file: str | None = None
    """NumPy file of some samples as the net gets them, beside the sheet: see `keep_samples`."""
    texts: dict[str, list[str]] = field(default_factory=dict)
    """Text: some samples by class, as the net reads them."""

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Description:
        """The inverse of `dataclasses.asdict`, also after JSON."""
        labels = values["labels"]
        return cls(**{**values, "labels": None if labels is None else tuple(labels)})

    def __str__(self) -> str:
        facts = "".join(f"\n  {name}: {value}" for name, value in self._facts().items())
        return "\n".join([self._heading + facts, *self.decided])

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))

    def _repr_html_(self) -> str:
        heads = ["class", *self.class_counts]
        counts = [
            (name, *(rows[index] for rows in self.class_counts.values()))
            for index, name in enumerate((self.labels or ())[:_CLASSES])
        ]
        classes = html.table(heads, counts) if counts and self.class_counts else ""
        facts = html.pairs(self._facts())
        return html.title(self._heading) + facts + classes + html.items(self.decided)

    @property
    def _heading(self) -> str:
        return f"{self.source['kind']} {self.source.get('path') or ''}".strip()

    def _facts(self) -> dict[str, str]:
        spec, bad = self.spec, self.bad.get("rows", 0)
        facts = {
            "sample": f"{spec['kind']} {tuple(spec['shape'])} {spec['dtype']}",
            "rows": ", ".join(f"{name} {rows:,}" for name, rows in self.rows.items()) or "none",
            "bad rows": f"{bad:,}",
            "bytes": f"{self.num_bytes:,}",
        }
        if self.labels is not None:
            facts["classes"] = f"{len(self.labels):,}"
        return facts | ({"problem": self.problem} if self.problem else {})


def describe(
    config: DataConfig,
    preparation: PreparationConfig,
    spark: SparkSession,
    *,
    samples: Path | None = None,
    progress: Progress | None = None,
) -> Description:
    """Read a source once, split it, count its rows and draw some samples.

    Args:
        samples: PNG file for a contact sheet; None: no sheet.
        progress: gets notes while many files are read.

    Raises:
        DataError: the source cannot be read at all. Data that can be read but not trained on is
            described, with `problem`.
    """
    began = time.perf_counter()
    with _open(config, spark, progress or Silent()) as canonical, limit_batches(canonical):
        counts = data.summarize(canonical, config)
        problem = None
        try:
            data.refuse(counts, canonical.labels, config)
        except DataError as error:
            problem = str(error)
        pictures = canonical.spec.kind == "image"  # of these only what was done to some of them
        measured = {n: counts[n] for n in canonical.measures if counts[n] or not pictures}
        figures = measured | _figures(canonical)
        chosen = choose_samples(canonical) if counts["rows"] else {}
        drawn = samples is not None and bool(chosen) and canonical.spec.kind != "tokens"
        kept = None
        if samples is not None and chosen:
            samples.parent.mkdir(parents=True, exist_ok=True)
            kept = str(keep_samples(chosen, canonical, samples.with_suffix(".npz")))
            if drawn:
                draw_sheet(chosen, canonical, samples)
        num_rows = sum(counts["rows"].values())
        return Description(
            source=to_dict(config.source),
            spec=to_dict(canonical.spec),
            labels=canonical.labels,
            rows=counts["rows"],
            class_counts=counts["class_counts"],
            missing_classes=counts["missing_classes"],
            balance=_balance(counts["class_counts"].get("train")),
            sample_bytes=canonical.spec.num_bytes,
            num_bytes=num_rows * canonical.spec.num_bytes,
            bad=counts["bad"],
            figures=figures,
            split=counts["split"],
            partitions=counts["partitions"],
            fingerprint=data.fingerprint(config, preparation),
            content=counts["content"],
            problem=problem,
            seconds=time.perf_counter() - began,
            samples=str(samples) if drawn else None,
            samples_file=kept,
            texts=show_texts(chosen, canonical),
            decided=list_decisions(canonical, counts),
        )


@contextmanager
def _open(config: DataConfig, spark: SparkSession, progress: Progress) -> Iterator[CanonicalFrame]:
    """The table, stored in Spark while the block runs and no longer."""
    canonical = data.read(config.source, spark)
    frames, files = [canonical.decoded], canonical.cache
    try:
        with limit_batches(canonical), watch_files(canonical, progress):
            canonical = data.assign_splits(canonical, config.split, config.corrections)
        frames += [canonical.decoded, canonical.frame.persist()]
        yield canonical
    finally:
        for frame in frames:
            if frame is not None:
                frame.unpersist()
        if files is not None:
            shutil.rmtree(files, ignore_errors=True)


def _balance(counts: list[int] | None) -> float | None:
    return min(counts) / max(counts) if counts and max(counts) else None


def _figures(canonical: CanonicalFrame) -> dict[str, Any]:
    """Smallest, mean and largest of lengths, weights and measured labels."""
    from pyspark.sql import functions as F

    names = [name for name in ("length", "weight") if name in canonical.frame.columns]
    if canonical.labels is None and canonical.num_outputs == 1 and not _is_list(canonical):
        names.append("label")
    if not names:
        return {}
    columns = [
        f(name).alias(f"{f.__name__} {name}") for name in names for f in (F.min, F.avg, F.max)
    ]
    row = canonical.frame.agg(*columns).collect()[0].asDict()
    return {
        name: {
            what: row[f"{at} {name}"]
            for what, at in (("min", "min"), ("mean", "avg"), ("max", "max"))
        }
        for name in names
    }


def _is_list(canonical: CanonicalFrame) -> bool:
    return bool(canonical.frame.schema["label"].dataType.typeName() == "array")
