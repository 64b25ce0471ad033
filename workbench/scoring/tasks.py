"""What runs in Spark's Python workers: Arrow batches in, the same with the net's answers out.

A worker process loads a net once, however many partitions and batches it scores.
"""

from __future__ import annotations

import tempfile
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from nets.text import TextEncoder, find_problem
from workbench import heap
from workbench.data import Encoding, encode_features
from workbench.scoring.model import write_files
from workbench.scoring.outputs import arrow_vectors, class_numbers

if TYPE_CHECKING:
    import pyarrow as pa

    from nets.net import Net

_KEPT = 4
"""Nets that a worker process keeps: several may be scored in turn, as in a cross-validation."""

_SLICE_BYTES = 8 * 2**20
"""Features held at once, however many rows Spark sends in one batch."""

_FREED_BYTES = 512 * 2**20
"""Freed memory that a worker process keeps. Spark uses the process for other work, too."""


@dataclass(frozen=True, kw_only=True)
class ScoringSettings:
    """What a worker needs."""

    key: str
    """A hash of the net's files."""
    files: Any
    """Spark's broadcast of them: file name to content."""
    encoding: Encoding | Literal["text", "words"]
    """How `features` is stored. text: strings; words: lists of tokens."""
    features: str
    """The column."""
    kept: tuple[str, ...]
    """Columns of the input that stay."""
    columns: dict[str, tuple[str, str]]
    """Columns to add: name to (what, kind), as `Outputs.of` gives them."""
    length: str | None
    """Column of valid steps, where the rows are padded already."""
    vectors: bool
    """Vectors of Spark ML instead of arrays."""
    batch_size: int
    """Rows through the net at once."""
    threads: int
    """Threads of torch in each worker."""


class Scorer:
    """Scores rows with one net."""

    def __init__(self, net: Net) -> None:
        self.net = net
        self.encoder = TextEncoder(net.text) if net.text else None
        self.numbers = np.array(class_numbers(net.labels)) if net.labels else None

    def encode(
        self, column: pa.Array, encoding: Any
    ) -> tuple[np.ndarray, list[str | None], np.ndarray | None]:
        """As `encode_features`. Text that is null or blank gets a reason, as other bad rows do."""
        if encoding not in ("text", "words"):
            return encode_features(column, encoding, self.net.spec)
        assert self.encoder is not None
        texts = column.to_pylist()
        if encoding == "text":
            reasons = [find_problem(text) for text in texts]
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
        """(n, num_bytes) uint8 -> the net's answers by name, each (n,) or (n, k)."""
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

        net = self.net
        if net.config.reconstructs:
            prepared, drawn, code = net.reconstruct(features, length)
            error = (drawn - prepared).square().flatten(1).mean(1)
            answers = {"prediction": drawn.flatten(1), "error": error}
            return answers if code is None else answers | {"code": code}
        scores = net(features, length).flatten(1).float()
        if net.labels is None:
            return {"prediction": scores[:, 0] if scores.shape[1] == 1 else scores}
        best = scores.argmax(1)
        return {"raw": scores, "probability": torch.softmax(scores, 1), "best": best}


_SCORERS: OrderedDict[str, Scorer] = OrderedDict()


def load_scorer(settings: ScoringSettings) -> Scorer:
    """The scorer of this process; the first call for a net loads it."""
    import torch

    torch.set_num_threads(settings.threads)
    if settings.key not in _SCORERS:
        from nets.files import load

        with tempfile.TemporaryDirectory() as folder:
            write_files(settings.files.value, Path(folder))
            # The driver has refused code that nobody allowed.
            _SCORERS[settings.key] = Scorer(load(folder, trust_code=True))
        while len(_SCORERS) > _KEPT:
            _SCORERS.popitem(last=False)
    _SCORERS.move_to_end(settings.key)
    return _SCORERS[settings.key]


def score_batches(
    batches: Iterator[pa.RecordBatch], settings: ScoringSettings
) -> Iterator[pa.RecordBatch]:
    """For each batch, the columns that stay and the net's answers."""
    scorer: Scorer | None = None
    heap.keep_freed_memory(_FREED_BYTES)
    try:
        for batch in batches:
            scorer = scorer or load_scorer(settings)
            step = max(settings.batch_size, _SLICE_BYTES // scorer.net.spec.num_bytes)
            for start in range(0, batch.num_rows, step):
                yield _add_answers(batch.slice(start, step), settings, scorer)
    finally:
        heap.release_freed_memory()  # Spark keeps this process for whatever comes next


def _add_answers(
    batch: pa.RecordBatch, settings: ScoringSettings, scorer: Scorer
) -> pa.RecordBatch:
    import pyarrow as pa

    names = batch.schema.names
    samples, reasons, lengths = scorer.encode(
        batch.column(names.index(settings.features)), settings.encoding
    )
    if settings.length is not None:
        lengths = _lengths(batch.column(names.index(settings.length)), scorer, reasons)
    good = np.array([reason is None for reason in reasons], bool)
    answers: dict[str, np.ndarray] = {}
    if good.all():
        answers = scorer.forward(samples, lengths, settings.batch_size)
    elif good.any():
        some = None if lengths is None else lengths[good]
        answers = scorer.forward(samples[good], some, settings.batch_size)
    columns = [batch.column(names.index(name)) for name in settings.kept]
    for what, kind in settings.columns.values():
        if what == "reason":
            columns.append(pa.array(reasons, pa.string()))
        else:
            columns.append(_column(what, kind, answers, good, scorer, settings.vectors))
    return pa.RecordBatch.from_arrays(columns, [*settings.kept, *settings.columns])


def _column(
    what: str,
    kind: str,
    answers: dict[str, np.ndarray],
    good: np.ndarray,
    scorer: Scorer,
    vectors: bool,
) -> pa.Array:
    """One answer as a column; null for rows that are not good."""
    import pyarrow as pa

    best = answers.get("best")
    if what == "label":
        names = np.array(scorer.net.labels, object)
        texts = np.full(len(good), None, object)
        if best is not None:
            texts[good] = names[best]
        return pa.array(texts, pa.string())
    if what == "prediction" and best is not None:
        assert scorer.numbers is not None
        answer = scorer.numbers[best]
    elif what in answers:
        answer = answers[what]
    else:  # no row is good
        answer = np.empty((0, 0) if kind == "vector" else 0)
    values = np.zeros((len(good), *answer.shape[1:]), np.float64)
    values[good] = answer
    if kind == "vector":
        return arrow_vectors(values, ~good, vectors=vectors)
    return pa.array(values, mask=~good)


def _lengths(column: pa.Array, scorer: Scorer, reasons: list[str | None]) -> np.ndarray:
    import pyarrow.compute as pc

    most = scorer.net.spec.shape[0]
    values = pc.fill_null(pc.cast(column, "int64"), 0).to_numpy(zero_copy_only=False)
    for row in np.flatnonzero((values < 1) | (values > most)):
        reasons[row] = reasons[row] or f"a length outside 1 to {most}"
    return np.asarray(values)
