"""Preparing pictures: Spark decodes them and hands them to Ray, beside Pillow alone in one process.

    python -m benchmarks.data --table cifar10/train.parquet   images/s, on real pictures
    python -m benchmarks.data --heap 512m --times 5           data 5 times as large as the heap

The table has columns `image` (bytes) and `label`; without one, pictures of noise are made. Pillow alone
opens each picture, converts it to RGB and to an array, and keeps nothing. Spark does more: it reads,
encodes labels, splits, hashes the content, sums for mean and deviation, and writes to Ray's object store.
"""

from __future__ import annotations

import io
import math
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from benchmarks import report
from nets import PreparationConfig
from workbench.bridge import prepare
from workbench.cluster import ClusterConfig, open_session
from workbench.data.config import DataConfig, SplitConfig
from workbench.data.pictures import decode_all, picture_spec
from workbench.data.sources import ImageTableSource


def write_noise(path: Path, rows: int, side: int, different: int = 1000) -> Path:
    """A table of JPEG pictures of noise in ten classes; after `different` rows they repeat."""
    generator = np.random.default_rng(0)
    contents = []
    for _ in range(min(rows, different)):
        coarse = Image.fromarray(generator.integers(0, 256, (8, 8, 3), np.uint8))
        buffer = io.BytesIO()
        coarse.resize((side, side)).save(buffer, "JPEG")
        contents.append(buffer.getvalue())
    table = pa.table(
        {
            "image": pa.array([contents[i % len(contents)] for i in range(rows)], pa.binary()),
            "label": pa.array([str(i % 10) for i in range(rows)]),
            "key": pa.array([f"{i:07d}" for i in range(rows)]),
        }
    )
    pq.write_table(table, path, row_group_size=1000)
    return path


def rate_of_pillow(contents: list[bytes]) -> float:
    """Pictures per second of Pillow alone."""
    began = time.perf_counter()
    for content in contents:
        np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
    return len(contents) / (time.perf_counter() - began)


def rate_of_workbench(contents: list[bytes], shape: tuple[int, int, int]) -> float:
    """Pictures per second of the function that Spark's workers call, in this process."""
    spec = picture_spec(shape)
    began = time.perf_counter()
    for start in range(0, len(contents), 1024):
        part = contents[start : start + 1024]
        decode_all(part, spec, np.zeros((len(part), spec.num_bytes), np.uint8))
    return len(contents) / (time.perf_counter() - began)


def measure_preparations(
    path: Path, shape: tuple[int, int, int], cluster: ClusterConfig, times: int
) -> Any:
    """Prepare the same data `times` times in one session; returns the record of each."""
    names = pq.read_schema(path).names
    key = next((name for name in ("key", "path") if name in names), None)
    source = ImageTableSource(path=str(path), key=key, shape=shape)
    records = []
    with open_session(cluster) as session:
        for seed in range(times):
            config = DataConfig(source=source, split=SplitConfig(test=0, seed=seed))
            began = time.perf_counter()
            record = prepare(config, PreparationConfig(method="standardize"), session).record
            session.prepared.clear()
            records.append(record | {"total": time.perf_counter() - began})
    return records


def measure_rates(results: report.Report, table: Path | None, rows: int, side: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = table or write_noise(Path(folder) / "noise.parquet", rows, side)
        contents = pq.read_table(path, columns=["image"])["image"].to_pylist()
        shape = (3, side, side)
        some = contents[:10_000]
        case = f"{len(contents):,} of {side}x{side}, {sum(map(len, contents)) / 1e6:.0f} MB"
        results.add(case, "plain Pillow, one process", rate_of_pillow(some), "images/s")
        results.add(
            case, "the workers' function, one process", rate_of_workbench(some, shape), "images/s"
        )
        first, second = measure_preparations(path, shape, ClusterConfig(), 2)
        for name, record in (("first", first), ("second", second)):
            for what in ("read", "total"):
                seconds = record["total"] if what == "total" else record["seconds"]["read"]
                way = f"Spark, {name} data of a session: {what}"
                results.add(case, way, len(contents) / seconds, "images/s")


def measure_memory(results: report.Report, heap: str, times: float) -> None:
    """Prepare data larger than the executors' heap; raises what the preparation raises."""
    unit = {"k": 2**10, "m": 2**20, "g": 2**30}[heap[-1].lower()]
    side = 224
    rows = math.ceil(times * int(heap[:-1]) * unit / (3 * side * side))
    with tempfile.TemporaryDirectory() as folder:
        # Small pictures, enlarged: their bytes matter here, not the decoding.
        path = write_noise(Path(folder) / "noise.parquet", rows, side // 8, different=100)
        cluster = ClusterConfig(executor_memory=heap)
        for record in measure_preparations(path, (3, side, side), cluster, 1):
            case = f"{record['bytes'] / 2**30:.2f} GiB of samples, heap of {heap}"
            stages = ", ".join(f"{name} {s:.0f}" for name, s in record["seconds"].items())
            note = f"{sum(record['rows'].values()):,} rows; {stages}"
            results.add(case, "prepared", record["total"], note=note)


def main() -> None:
    parser = report.make_parser(__doc__, rounds=1)
    parser.add_argument("--table", type=Path)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--side", type=int, default=32)
    parser.add_argument("--heap", help="only prepare data larger than this heap, such as 512m")
    parser.add_argument("--times", type=float, default=5)
    options = parser.parse_args()
    name = "data_memory" if options.heap else "data"
    results = report.Report(name, "Preparing pictures", options)
    if options.heap:
        measure_memory(results, options.heap, options.times)
    else:
        measure_rates(results, options.table, options.rows, options.side)
    results.finish()


if __name__ == "__main__":
    main()
