"""From a Spark DataFrame to tensors: the workbench beside RayDP, Parquet, toPandas and the least possible.

    python -m benchmarks.bridge [--rounds 5] [--only pictures]

Each way starts from the same DataFrame, cached in Spark, and ends when the tensors of all rows have been
read once. All ways get the same encoding, raw bytes of a fixed shape, and the same views of Arrow's
buffers. "First" is the first conversion in a session. Extra memory is the largest fall of the machine's
free memory, with the tensors.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import ray
import torch
from raydp.spark import release_spark_recoverable

from benchmarks import report
from nets.spec import TensorSpec
from workbench.bridge import Prepared, kept
from workbench.bridge.arrays import to_arrays
from workbench.bridge.preparation import write_store
from workbench.bridge.spark_writer import MEMORY
from workbench.cluster import ClusterConfig, open_session
from workbench.data.batches import limit_batch_bytes

CASES = {
    "pictures": (60_000, TensorSpec(kind="image", shape=(3, 32, 32), dtype="uint8")),
    "token ids": (
        200_000,
        TensorSpec(kind="tokens", shape=(64,), dtype="int32", vocabulary_size=30_000),
    ),
    "windows": (50_000, TensorSpec(kind="series", shape=(96, 7), dtype="float32")),
    "pictures x 5": (300_000, TensorSpec(kind="image", shape=(3, 32, 32), dtype="uint8")),
}
FROM_SPARK = "ray.data.from_spark"
COLUMNS = ("features", "label", "split", "key")


def write_rows(path: Path, count: int, spec: TensorSpec) -> Path:
    """Write canonical rows of noise, all in one split."""
    generator = np.random.default_rng(0)
    with pq.ParquetWriter(path, _schema(), compression="none") as writer:
        for start in range(0, count, 5000):
            size = min(5000, count - start)
            noise = generator.bytes(size * spec.num_bytes)
            offsets = np.arange(size + 1, dtype=np.int32) * spec.num_bytes
            features = pa.Array.from_buffers(
                pa.binary(), size, [None, pa.py_buffer(offsets), pa.py_buffer(noise)]
            )
            keys = pa.array([f"{i:08d}" for i in range(start, start + size)])
            label = pa.array(generator.integers(0, 10, size))
            split = pa.array(["train"] * size)
            writer.write_table(pa.table([features, label, split, keys], schema=_schema()))
    return path


def _schema() -> pa.Schema:
    kinds = (pa.binary(), pa.int64(), pa.string(), pa.string())
    return pa.schema(list(zip(COLUMNS, kinds, strict=True)))


def read_all(features: torch.Tensor) -> None:
    """Read every byte, as a training does."""
    assert np.any(features.numpy().reshape(-1).view(np.uint8).view(np.uint64).max())


def gather(spec: TensorSpec, tables: list[pa.Table]) -> np.ndarray:
    """The samples of all tables in one array."""
    return np.concatenate([to_arrays(table, spec)["features"] for table in tables])


def make_ways(frame: Any, count: int, spec: TensorSpec) -> dict[str, Callable[[], None]]:
    def ours() -> None:
        facts = Prepared(
            splits={},
            spec=spec,
            labels=None,
            num_outputs=1,
            statistics=None,
            class_counts=None,
            fingerprint="benchmark",
        )
        prepared = write_store(frame, spec, {"train": count}, facts)
        with prepared.splits["train"].open() as rows:
            read_all(torch.from_numpy(rows.samples.values))
        kept.remove_folder(prepared.folder)

    def collect(dataset: ray.data.Dataset) -> None:
        tables = ray.get(dataset.to_arrow_refs())
        read_all(torch.from_numpy(gather(spec, tables)))

    def from_spark() -> None:
        with contextlib.suppress(KeyError):
            collect(ray.data.from_spark(frame).materialize())
        release_spark_recoverable(frame)

    def read_parquet() -> None:
        with write_parquet(frame) as folder:
            collect(ray.data.read_parquet(str(folder)).materialize())

    def to_pandas() -> None:
        with limit_batch_bytes(frame.sparkSession, spec.num_bytes):
            features = b"".join(frame.toPandas()["features"])
        read_all(torch.frombuffer(bytearray(features), dtype=torch.uint8))

    def floor() -> None:
        with write_parquet(frame) as folder:
            read_all(torch.from_numpy(gather(spec, [pq.read_table(folder)])))

    noise = np.random.default_rng(0).integers(0, 256, count * spec.num_bytes, np.uint8)

    def memcpy() -> None:
        read_all(torch.from_numpy(noise.copy()))

    return {
        "workbench": ours,
        "Parquet and ray.data.read_parquet": read_parquet,
        "toPandas": to_pandas,
        "floor: Parquet in memory, no Ray": floor,
        "floor: memcpy": memcpy,
        FROM_SPARK: from_spark,
    }


@contextlib.contextmanager
def write_parquet(frame: Any) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        place = Path(folder) / "rows"
        frame.write.option("compression", "none").parquet(place.as_uri())
        yield place


@contextlib.contextmanager
def measure_memory() -> Iterator[list[int]]:
    """Yields a list; after the block it holds the largest fall of the machine's free memory, in bytes."""
    before, lowest, fall = psutil.virtual_memory().available, [2**62], [0]
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.01):
            lowest[0] = min(lowest[0], psutil.virtual_memory().available)

    thread = threading.Thread(target=watch)
    thread.start()
    yield fall
    done.set()
    thread.join()
    fall[0] = max(0, before - lowest[0])


def measure(case: str, spark: Any, rounds: int, results: report.Report) -> None:
    count, spec = CASES[case]
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        source = spark.read.parquet(write_rows(Path(folder) / "rows.parquet", count, spec).as_uri())
        frame = source.persist()
        assert frame.count() == count
        Path(folder, "rows.parquet").unlink()
        num_bytes = count * spec.num_bytes
        name = f"{case}, {num_bytes / 1e6:.0f} MB"
        possible = make_ways(frame, count, spec)
        # from_spark comes last: in the processes it leaves, tasks that start actors fail (read_parquet).
        last = {FROM_SPARK: possible.pop(FROM_SPARK)}
        first: dict[str, float] = {}
        warm: dict[str, list[float]] = {}
        for group in (possible, last):
            for way in list(group):
                began = time.perf_counter()
                try:
                    group[way]()
                except Exception as error:  # that a peer fails is a result too
                    reason = f"{type(error).__name__}: {str(error).splitlines()[0][:80]}"
                    results.skip(name, way, reason)
                    del group[way]
                    continue
                first[way] = time.perf_counter() - began
            warm |= report.run_interleaved(group, rounds, warm=0)
        for way, values in warm.items():
            target = {FROM_SPARK: 2, "floor: Parquet in memory, no Ray": 0.25}.get(way)
            results.add(name, way, values, target=target)
        for way, seconds in first.items():
            results.add(f"{name}, first", way, seconds)
        for way in [way for way in (*possible, *last) if not way.endswith("read_parquet")]:
            with measure_memory() as extra:
                (possible | last)[way]()
            results.add(f"{name}, extra memory", way, extra[0] / num_bytes, "x bytes")
        frame.unpersist(blocking=True)


def main() -> None:
    parser = report.make_parser(__doc__, rounds=3)
    parser.add_argument("--only", choices=CASES, help="one case")
    options: argparse.Namespace = parser.parse_args()
    results = report.Report("bridge", "From a Spark DataFrame to tensors", options)
    for case in [options.only] if options.only else CASES:
        with open_session(ClusterConfig()) as session:
            measure(case, session.spark, options.rounds, results)
    if importlib.util.find_spec("petastorm") is None:
        results.skip("Petastorm", "its converter", "not installed beside this pyarrow")
    results.finish()


if __name__ == "__main__":
    main()
