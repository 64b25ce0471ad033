"""What runs in Spark's Python workers: Arrow batches in, the same with the net's answers out.

A worker process loads a net once, whatever number of partitions and batches it is given.
"""

from __future__ import annotations

import tempfile
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from nets.text import TextEncoder
from workbench import heap
from workbench.data.encode import Encoding, encode_features
from workbench.scoring.outputs import arrow_vectors, class_numbers

if TYPE_CHECKING:
    import pyarrow as pa

    from nets.net import Net

_KEPT = 4
"""Nets that a worker process keeps: several may be scored in turn, as in a cross-validation."""

_SLICE_BYTES = 8 * 2**20
"""Features held at once, however many rows Spark sends in one batch."""

_FREED_BYTES = 512 * 2**20
"""What a worker process keeps of the memory that it frees: it is Spark's, and works for others too."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """Everything a worker has to know."""

    key: str
    """A hash of the net's files."""
    files: Any
    """Spark's broadcast of them: file name to content."""
    encoding: Encoding | Literal["text", "words"]
    """How `features` is read; text: strings; words: lists of tokens."""
    features: str
    """The column."""
    kept: tuple[str, ...]
    """Columns that are handed on."""
    columns: dict[str, tuple[str, str]]
    """Columns to add: name to (what, kind), as `Outputs.of` gives them."""
    length: str | None
    """Column of valid steps, where the rows are padded already."""
    vectors: bool
    """Vectors as Spark ML has them; else arrays."""
    batch_size: int
    """Rows through the net at once."""
    threads: int
    """Of torch, in each worker."""


class Scorer:
    """A net and how rows become its input."""

    def __init__(self, net: Net) -> None:
        self.net = net
        self.encoder = TextEncoder(net.text) if net.text else None
        self.numbers = np.array(class_numbers(net.labels)) if net.labels else None

    def encode(
        self, column: pa.Array, encoding: Any
    ) -> tuple[np.ndarray, list[str | None], np.ndarray | None]:
        """As `encode_features`; text that is null or blank has no prediction."""
        if encoding not in ("text", "words"):
            return encode_features(column, encoding, self.net.spec)
        assert self.encoder is not None
        texts = column.to_pylist()
        if encoding == "text":
            reasons: list[str | None] = [
                "the text is null" if t is None else None if t.strip() else "the text is blank"
                for t in texts
            ]
            ids, lengths, _ = self.encoder.encode(texts)
        else:
            reasons = [
                "the tokens are null" if t is None else None if t else "there are no tokens"
                for t in texts
            ]
            ids, lengths, _ = self.encoder.encode_tokens([t or [] for t in texts])
        return ids.view(np.uint8).reshape(len(ids), -1), reasons, lengths

    def forward(
        self, samples: np.ndarray, lengths: np.ndarray | None, batch_size: int
    ) -> dict[str, np.ndarray]:
        """(n, num_bytes) uint8 -> the net's answers, (n,) or (n, k), by what they are."""
        import torch

        spec = self.net.spec
        features = torch.from_numpy(samples.view(spec.dtype).reshape(-1, *spec.shape))
        length = None if lengths is None else torch.from_numpy(lengths.astype(np.int64))
        parts: list[dict[str, Any]] = []
        with torch.inference_mode():
            for start in range(0, len(features), batch_size):
                rows = slice(start, start + batch_size)
                parts.append(
                    self._answers(features[rows], None if length is None else length[rows])
                )
        return {what: torch.cat([p[what] for p in parts]).numpy() for what in parts[0]}

    def _answers(self, features: Any, length: Any) -> dict[str, Any]:
        import torch

        from nets.autoencoder import Autoencoder

        net = self.net
        if isinstance(net.body, Autoencoder):
            prepared = net.prepare(features, length)
            code = net.body.encode(prepared)
            drawn = net.body.decode(code)
            error = (drawn - prepared).square().flatten(1).mean(1)
            return {"prediction": drawn.flatten(1), "code": code, "error": error}
        scores = net(features, length).flatten(1).float()
        if net.labels is None:
            return {"prediction": scores[:, 0] if scores.shape[1] == 1 else scores}
        best = scores.argmax(1)
        return {"raw": scores, "probability": torch.softmax(scores, 1), "best": best}


_SCORERS: OrderedDict[str, Scorer] = OrderedDict()


def scorer(job: Job) -> Scorer:
    """The net of this process, loaded the first time it is asked for."""
    import torch

    torch.set_num_threads(job.threads)
    if job.key not in _SCORERS:
        from nets.files import load

        with tempfile.TemporaryDirectory() as folder:
            for name, content in job.files.value.items():
                (Path(folder) / name).write_bytes(content)
            _SCORERS[job.key] = Scorer(load(folder))
        while len(_SCORERS) > _KEPT:
            _SCORERS.popitem(last=False)
    _SCORERS.move_to_end(job.key)
    return _SCORERS[job.key]


def scored(batches: Iterator[pa.RecordBatch], job: Job) -> Iterator[pa.RecordBatch]:
    """The batches' kept columns and the net's answers."""
    found: Scorer | None = None
    heap.keep_freed(_FREED_BYTES)
    try:
        for batch in batches:
            found = found or scorer(job)
            step = max(job.batch_size, _SLICE_BYTES // found.net.spec.num_bytes)
            for start in range(0, batch.num_rows, step):
                yield _added(batch.slice(start, step), job, found)
    finally:
        heap.give_back()  # Spark keeps this process for whatever comes next


def _added(batch: pa.RecordBatch, job: Job, found: Scorer) -> pa.RecordBatch:
    import pyarrow as pa

    names = batch.schema.names
    samples, reasons, lengths = found.encode(batch.column(names.index(job.features)), job.encoding)
    if job.length is not None:
        lengths = _lengths(batch.column(names.index(job.length)), found, reasons)
    good = np.array([reason is None for reason in reasons], bool)
    answers: dict[str, np.ndarray] = {}
    if good.all():
        answers = found.forward(samples, lengths, job.batch_size)
    elif good.any():
        some = None if lengths is None else lengths[good]
        answers = found.forward(samples[good], some, job.batch_size)
    columns = [batch.column(names.index(name)) for name in job.kept]
    for what, kind in job.columns.values():
        if what == "reason":
            columns.append(pa.array(reasons, pa.string()))
        else:
            columns.append(_column(what, kind, answers, good, found, job.vectors))
    return pa.RecordBatch.from_arrays(columns, [*job.kept, *job.columns])


def _column(
    what: str,
    kind: str,
    answers: dict[str, np.ndarray],
    good: np.ndarray,
    found: Scorer,
    vectors: bool,
) -> pa.Array:
    """One answer of all rows; null for those that are not good."""
    import pyarrow as pa

    best = answers.get("best")
    if what == "label":
        names = np.array(found.net.labels, object)
        texts = np.full(len(good), None, object)
        if best is not None:
            texts[good] = names[best]
        return pa.array(texts, pa.string())
    if what == "prediction" and best is not None:
        assert found.numbers is not None
        given = found.numbers[best]
    elif what in answers:
        given = answers[what]
    else:  # no row is good
        given = np.empty((0, 0) if kind == "vector" else 0)
    values = np.zeros((len(good), *given.shape[1:]), np.float64)
    values[good] = given
    if kind == "vector":
        return arrow_vectors(values, ~good, vectors=vectors)
    return pa.array(values, mask=~good)


def _lengths(column: pa.Array, found: Scorer, reasons: list[str | None]) -> np.ndarray:
    import pyarrow.compute as pc

    most = found.net.spec.shape[0]
    values = pc.fill_null(pc.cast(column, "int64"), 0).to_numpy(zero_copy_only=False)
    for row in np.flatnonzero((values < 1) | (values > most)):
        reasons[row] = reasons[row] or f"a length outside 1 to {most}"
    return np.asarray(values)
