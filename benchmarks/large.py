"""Data larger than memory: rows per second from the prepared store, cold and under a limit, beside memory.

    python -m benchmarks.large --gb 4 --limit-gb 1      # under a limit of a control group (root, Linux)
    python -m benchmarks.large --gb 30                  # more than the machine's memory, cold

Rows are pictures of 3,072 bytes in a random order. Each way reads, or trains a small CNN, for some
seconds in a process of its own. The floor of reading is single rows read by 32 threads, cold.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from benchmarks import report
from nets.batches import Batch, batches
from nets.cnn import CNNConfig
from nets.fit import Fit
from nets.net import build
from nets.spec import TensorSpec
from nets.training import TrainingConfig
from workbench.bridge import SplitReader, kept
from workbench.bridge.prepared import Prepared, find, finish_store
from workbench.bridge.store import write_split
from workbench.heap import keep_freed_memory

SPEC = TensorSpec(kind="image", shape=(3, 32, 32), dtype="uint8")
BATCH = 128
_BLOCK_ROWS = 50_000
_GROUPS = Path("/sys/fs/cgroup/memory")


def make_block() -> pa.Table:
    """Rows of noise."""
    pixels = np.random.default_rng(0).integers(0, 256, (_BLOCK_ROWS, SPEC.num_bytes), np.uint8)
    offsets = np.arange(_BLOCK_ROWS + 1, dtype=np.int64) * SPEC.num_bytes
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(pixels)]
    return pa.table(
        {
            "features": pa.Array.from_buffers(pa.large_binary(), _BLOCK_ROWS, buffers),
            "label": pa.array(np.arange(_BLOCK_ROWS) % 10),
            "key": pa.array([f"{i:06d}" for i in range(_BLOCK_ROWS)]),
        }
    )


def write_store(gb: float, folder: Path) -> str:
    """A store of about `gb` GB of noise: one block of rows, as often as needed."""
    table = make_block()
    path = folder / "block.arrow"
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    blocks = [str(path)] * max(1, round(gb * 1e9 / (_BLOCK_ROWS * SPEC.num_bytes)))
    prepared = describe_store(gb)
    with kept.new_part() as part:
        split = write_split(part / "train", blocks, SPEC, sort=False)
        return finish_store(part, prepared, {"train": split}).fingerprint


def describe_store(gb: float) -> Prepared:
    """What is known of a store before it is written."""
    return Prepared(
        splits={},
        spec=SPEC,
        fingerprint=f"noise{gb:g}".replace(".", "p"),
        labels=tuple("0123456789"),
        num_outputs=10,
        statistics=None,
        class_counts=None,
    )


def drop_caches() -> None:
    """Have the system forget the files it has read; needs root."""
    os.sync()
    Path("/proc/sys/vm/drop_caches").write_text("3")


# The process that reads.


def read(way: str, fingerprint: str, seconds: float, batch: int) -> dict[str, float]:
    """Rows per second of one way, and the largest memory of this process that is not file pages."""
    torch.set_num_threads(os.cpu_count() or 1)
    keep_freed_memory()  # as every training process does
    prepared = find(fingerprint)
    assert prepared is not None, "the store has just been written"
    if way == "floor":
        return {"rows": _read_single_rows(prepared, seconds)}
    reader = SplitReader(prepared.splits["train"], torch.device("cpu"))
    if way == "tensors":
        rows = reader._rows.tensors()
        some = Batch(*(None if x is None else x[:_BLOCK_ROWS].clone() for x in rows))
        stream = repeat_in_memory(some, batch)
    else:
        stream = reader.shuffled(batch, seed=0, epoch=0)
    with watch_largest(own_memory) as peak:
        rate, net = (
            train_rows(stream, seconds, batch)
            if way != "read"
            else (count_rows(stream, seconds), 0)
        )
    waited = reader.seconds_waited / seconds
    return {"rows": rate, "peak": peak[0], "net": net, "waited": waited}


def repeat_in_memory(data: Batch, batch: int = BATCH) -> Iterator[Batch]:
    for epoch in count():
        yield from batches(data, batch, seed=0, epoch=epoch)


def _read_single_rows(prepared: Prepared, seconds: float) -> float:
    path = kept.prepared_folder() / prepared.fingerprint / "train/features.bin"
    rows = prepared.splits["train"].num_rows
    file = os.open(path, os.O_RDONLY)
    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_RANDOM)
    order = np.random.default_rng(0).permutation(rows)
    over = time.perf_counter() + seconds

    def work(part: np.ndarray) -> int:
        for done, row in enumerate(part.tolist()):
            os.pread(file, SPEC.num_bytes, row * SPEC.num_bytes)
            if time.perf_counter() > over:
                return done + 1
        return len(part)

    began = time.perf_counter()
    with ThreadPoolExecutor(32) as pool:
        done = sum(pool.map(work, np.array_split(order, 32)))
    return done / (time.perf_counter() - began)


def _for_seconds(stream: Iterable[Batch], seconds: float, seen: list[float]) -> Iterator[Batch]:
    """The first batches warm up; `seen` gets the rows and the seconds of those that follow."""
    rows, began = 0, 0.0
    for number, batch in enumerate(stream):
        if number == 30:
            rows, began = 0, time.perf_counter()
        rows += len(batch.label)
        yield batch
        if number > 30 and time.perf_counter() - began > seconds:
            break
    seen.append(rows / (time.perf_counter() - began))


def count_rows(stream: Iterable[Batch], seconds: float) -> float:
    seen: list[float] = []
    for batch in _for_seconds(stream, seconds, seen):
        batch.features.sum(dtype=torch.int64)  # every byte is used
    return seen[0]


def train_rows(stream: Iterable[Batch], seconds: float, batch: int = BATCH) -> tuple[float, float]:
    config = TrainingConfig(batch_size=batch, learning_rate=1e-4)
    fit = Fit(
        build(CNNConfig(), SPEC, 10), config, steps_per_epoch=10**7, device=torch.device("cpu")
    )
    before = own_memory()
    seen: list[float] = []
    fit.train_epoch(_for_seconds(stream, seconds, seen))
    return seen[0], before


@contextmanager
def watch_largest(measure: Callable[[], float], every_s: float = 0.1) -> Iterator[list[float]]:
    """The largest value that `measure` has had in the block."""
    peak, over = [0.0], threading.Event()

    def look() -> None:
        while not over.wait(every_s):
            peak[0] = max(peak[0], measure())

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield peak
    finally:
        over.set()
        thread.join()


def own_memory() -> float:
    """Bytes of this process that are no pages of files."""
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("RssAnon"))
    return int(line.split()[1]) * 1024


# The process that asks.


@contextmanager
def limit_memory(gb: float | None) -> Iterator[Path | None]:
    """A control group with this limit, for processes that write their number to its `cgroup.procs`."""
    if gb is None:
        yield None
        return
    group = _GROUPS / f"workbench-{os.getpid()}"
    try:
        group.mkdir()
        (group / "memory.limit_in_bytes").write_text(str(int(gb * 2**30)))
    except OSError as error:
        sys.exit(f"A limit needs root and control groups of version 1 in {_GROUPS}: {error}")
    try:
        yield group
    finally:
        group.rmdir()


def ask(
    way: str,
    fingerprint: str,
    seconds: float,
    *,
    batch: int = BATCH,
    limit_gb: float | None = None,
    cold: bool = True,
) -> dict[str, float]:
    """Run one way in a process of its own."""
    if cold:
        drop_caches()
    with limit_memory(limit_gb) as group:

        def join_group() -> None:
            if group is not None:
                (group / "cgroup.procs").write_text(str(os.getpid()))

        return report.run_alone(
            "benchmarks.large",
            *("--way", way, "--fingerprint", fingerprint),
            *("--seconds", seconds, "--batch", batch),
            preexec_fn=join_group,
        )


def main() -> None:
    parser = report.make_parser(__doc__, rounds=3)
    parser.add_argument("--gb", type=float, default=4.0, help="size of the store")
    parser.add_argument("--limit-gb", type=float, help="memory of the process that reads")
    parser.add_argument("--seconds", type=float, default=15.0, help="of each way in each round")
    parser.add_argument("--batch", type=int, default=BATCH, help="rows of a training step")
    parser.add_argument("--way", help=argparse.SUPPRESS)
    parser.add_argument("--fingerprint", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        print(json.dumps(read(options.way, options.fingerprint, options.seconds, options.batch)))
        return
    results = report.Report("large", "Data larger than memory", options)
    with tempfile.TemporaryDirectory(dir=os.environ.get("WORKBENCH_HOME")) as name:
        os.environ["WORKBENCH_HOME"] = name
        os.environ["WORKBENCH_PREPARED_GB"] = str(options.gb + 1)
        began = time.perf_counter()
        fingerprint = write_store(options.gb, Path(name))
        took = time.perf_counter() - began
        size = f"{options.gb:g} GB"
        limit = f", {options.limit_gb:g} GiB of memory" if options.limit_gb else ""
        results.add(f"{size} written", "with checksums", options.gb * 1000 / took, "MB/s")
        limited = {"limit_gb": options.limit_gb, "batch": options.batch}
        ways = {
            "trained, tensors in memory": lambda: ask(
                "tensors", fingerprint, options.seconds, batch=options.batch
            ),
            f"trained, store of {size}, cold{limit}": lambda: ask(
                "store", fingerprint, options.seconds, **limited
            ),
        }
        seen: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
        for number in range(options.rounds):
            for way in list(ways) if number % 2 == 0 else list(ways)[::-1]:
                seen[way].append(ways[way]())
        for way, rounds in seen.items():
            results.add(
                "small CNN on 32x32", way, [r["rows"] for r in rounds], "rows/s", target=None
            )
            more = max(r["peak"] - r["net"] for r in rounds) / 1e6
            results.add(f"{way}: memory above the net", "largest", more, "MB")
        reads = [
            ask("read", fingerprint, options.seconds, **limited) for _ in range(options.rounds)
        ]
        floors = [ask("floor", fingerprint, options.seconds) for _ in range(options.rounds)]
        case = f"single rows in a random order, {size}, cold{limit}"
        results.add(case, "prepared store", [r["rows"] for r in reads], "rows/s")
        results.add(case, "floor: 32 threads", [r["rows"] for r in floors], "rows/s", target=0.8)
    results.finish()


if __name__ == "__main__":
    main()
