"""Rows per second in a random order: the prepared store beside other ways to read, in one process.

    python -m benchmarks.reading --rows 60000

The floor is a bare gather of the same rows from a mapped file. LitData and Mosaic Streaming are
measured where they are installed (`pip install litdata mosaicml-streaming`).
"""

from __future__ import annotations

import functools
import importlib.util
import math
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import report
from nets.batches import Batch, batches
from nets.order import Order
from nets.spec import TensorSpec

BATCH = 128
SHAPE = (3, 32, 32)


def read_all(rows: int, make: Callable[[], Iterable[Any]]) -> float:
    """Rows per second of one pass."""
    began = time.perf_counter()
    for _batch in make():
        pass
    return rows / (time.perf_counter() - began)


def bare_gather(path: Path, rows: int) -> Iterator[torch.Tensor]:
    """Random rows of a mapped file, a batch at a time."""
    values = np.memmap(path, np.uint8, mode="r", shape=(rows, *SHAPE))
    order = np.random.default_rng(0).permutation(rows)
    mapped = torch.from_numpy(np.asarray(values))
    for start in range(0, rows, BATCH):
        yield mapped.index_select(0, torch.from_numpy(order[start : start + BATCH]))


def stored(features: np.ndarray, label: np.ndarray, storage: str | None = None) -> Any:
    """The prepared store and its reader; in `storage`, in shards that are read through a cache."""
    from workbench.bridge import SplitReader, store_arrays

    prepared = store_arrays(
        {"train": {"features": features, "label": label}},
        TensorSpec(kind="image", shape=SHAPE, dtype="uint8"),
        storage=storage,
        labels=None,
        num_outputs=1,
        statistics=None,
        class_counts=None,
    )
    return prepared, SplitReader(prepared.splits["train"], torch.device("cpu"))


def litdata(features: np.ndarray, folder: Path) -> Callable[[], Iterable[Any]]:
    import litdata

    def one(index: int) -> dict[str, Any]:
        return {"features": features[index].tobytes(), "label": index % 10}

    out = str(folder / "litdata")
    litdata.optimize(one, list(range(len(features))), out, chunk_bytes="64MB", num_workers=1)
    dataset = litdata.StreamingDataset(out, shuffle=True)
    return lambda: litdata.StreamingDataLoader(dataset, batch_size=BATCH)


def mosaic(features: np.ndarray, folder: Path) -> Callable[[], Iterable[Any]]:
    from streaming import MDSWriter, StreamingDataset

    out = str(folder / "mds")
    with MDSWriter(out=out, columns={"features": "bytes", "label": "int"}) as writer:
        for index, row in enumerate(features):
            writer.write({"features": row.tobytes(), "label": index % 10})
    dataset = StreamingDataset(local=out, shuffle=True, batch_size=BATCH)
    return lambda: torch.utils.data.DataLoader(dataset, batch_size=BATCH)


def ray_data(prepared: Any) -> Callable[[], Iterable[Any]]:
    dataset = prepared.dataset("train").materialize()
    return lambda: dataset.iter_torch_batches(
        batch_size=BATCH, local_shuffle_buffer_size=16 * BATCH, local_shuffle_seed=0
    )


def main() -> None:
    parser = report.make_parser(__doc__, rounds=3)
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument("--ray", action="store_true", help="also Ray Data's iter_torch_batches")
    options = parser.parse_args()
    results = report.Report("reading", "Rows in a random order, one process", options)
    rows = options.rows
    generator = np.random.default_rng(0)
    features = generator.integers(0, 256, (rows, *SHAPE), np.uint8)
    label = np.arange(rows) * 10 // rows
    case = f"{rows:,} rows of {math.prod(SHAPE):,} bytes, batches of {BATCH}"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["WORKBENCH_HOME"] = name
        features.tofile(folder / "rows.bin")
        prepared, reader = stored(features, label)
        _, shards = stored(features, label, str(folder / "shared"))
        tensor = Batch(torch.from_numpy(features), torch.from_numpy(label))
        ways: dict[str, Callable[[], Iterable[Any]]] = {
            "bare gather from a mapped file": lambda: bare_gather(folder / "rows.bin", rows),
            "tensors in memory": lambda: batches(tensor, BATCH, seed=0, epoch=0),
            "prepared store": lambda: reader.shuffled(BATCH, seed=0, epoch=0),
            "shards of cluster.storage": lambda: shards.shuffled(BATCH, seed=0, epoch=0),
        }
        if importlib.util.find_spec("litdata"):
            ways["LitData"] = litdata(features, folder)
        if importlib.util.find_spec("streaming"):
            ways["Mosaic Streaming"] = mosaic(features, folder)
        if options.ray:
            ways["Ray Data, 16 batches shuffled"] = ray_data(prepared)
        measures = {
            way: functools.partial(read_all, rows=rows, make=make) for way, make in ways.items()
        }
        for way, values in report.run_interleaved(measures, options.rounds).items():
            results.add(case, way, values, "rows/s")
        order = Order(rows, seed=0, epoch=0).rows(0, rows // BATCH * BATCH).numpy()
        counts = np.stack([np.bincount(label[b], minlength=10) for b in order.reshape(-1, BATCH)])
        chi = ((counts - BATCH / 10) ** 2 / (BATCH / 10)).sum() / (len(counts) * 9)
        what = "rows sorted by class: chi-square of the batches by its degrees of freedom"
        results.add(what, "prepared store", float(chi), "")
    results.finish()


if __name__ == "__main__":
    main()
