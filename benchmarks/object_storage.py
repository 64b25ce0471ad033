"""Data in an object store: rows per second through a bounded cache, beside memory and a plain download.

    python -m benchmarks.object_storage --gb 30 --cache-gb 2

Shards lie in an S3 server on this machine (moto, which takes its share of the CPUs). Each way runs in a
process of its own, with an empty cache. The floor of reading is a loop that downloads the same shards
by eight threads and keeps nothing.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import torch

from benchmarks import report
from benchmarks.large import (
    BATCH,
    SPEC,
    count_rows,
    describe_store,
    make_block,
    own_memory,
    repeat_in_memory,
    train_rows,
    watch_largest,
)
from nets.batches import Batch
from workbench.bridge import SplitReader, cache, open_storage
from workbench.bridge.cache import SharedOrigin, used_bytes
from workbench.bridge.open_shards import OpenShards
from workbench.bridge.prepared import Prepared, find, finish_shared, to_batch
from workbench.bridge.shards import SHARD_BYTES, WINDOW, StoredShards, write_shard
from workbench.bridge.shared import new_shared_part
from workbench.heap import keep_freed_memory

_THREADS = 8


@contextmanager
def serve(folder: str) -> Iterator[str]:
    """An S3 with an empty bucket, which keeps its objects in files of the folder; gives the URL for
    `cluster.storage`."""
    import boto3
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    client = boto3.client(
        "s3",
        endpoint_url=f"http://{host}:{port}",
        region_name="us-east-1",
        aws_access_key_id="me",
        aws_secret_access_key="s3cret",
    )
    client.create_bucket(Bucket="data")
    try:
        yield f"s3://me:s3cret@data/shared?scheme=http&endpoint_override={host}%3A{port}"
    finally:
        server.stop()


def write(gb: float, storage: str) -> str:
    """About `gb` GB of noise as shards: the same rows in each."""
    prepared, rows = describe_store(gb), make_block()[: SHARD_BYTES // SPEC.num_bytes]
    count = max(1, round(gb * 1e9 / (len(rows) * SPEC.num_bytes)))
    with new_shared_part(storage, prepared.fingerprint, ["train"]) as part:
        shards = tuple(
            write_shard(part.files, part.path, "train", number, rows, SPEC)
            for number in range(count)
        )
        splits = {"train": StoredShards(shards=shards, window=WINDOW)}
        return finish_shared(part, prepared, splits).fingerprint


# The process that reads.


def read(way: str, fingerprint: str, storage: str, seconds: float) -> dict[str, float]:
    """Rows per second of one way; the largest memory of this process, and of the cache."""
    torch.set_num_threads(os.cpu_count() or 1)
    keep_freed_memory()  # as every training process does
    prepared = find(fingerprint, storage)
    assert prepared is not None, "the store has just been written"
    if way == "floor":
        return {"rows": _download(prepared, seconds)}
    reader = SplitReader(prepared.splits["train"], torch.device("cpu"))
    if way == "tensors":
        assert isinstance(reader.shards, OpenShards)
        rows = to_batch({name: x.copy() for name, x in reader.shards.read(0, 20_000).items()})
        stream: Iterator[Batch] = repeat_in_memory(rows)
    else:
        stream = reader.shuffled(BATCH, seed=0, epoch=0)
    with watch_largest(own_memory) as peak, watch_largest(used_bytes, 0.5) as cached:
        rate, net = (
            train_rows(stream, seconds) if way != "read" else (count_rows(stream, seconds), 0)
        )
    return {"rows": rate, "peak": peak[0] - net, "cache": cached[0]}


def _download(prepared: Prepared, seconds: float) -> float:
    origin, stored = prepared.origin, prepared.splits["train"].stored
    assert isinstance(origin, SharedOrigin) and isinstance(stored, StoredShards)
    files, _ = open_storage(origin.address)
    began = time.perf_counter()

    def fetch(number: int) -> int:
        if time.perf_counter() - began > seconds:
            return 0
        shard = stored.shards[number]
        with files.open_input_stream(f"{origin.path}/{shard.name}") as source:
            while source.read(8 * 2**20):
                pass
        return shard.rows

    with ThreadPoolExecutor(_THREADS) as pool:
        rows = sum(pool.map(fetch, range(len(stored.shards))))
    return rows / (time.perf_counter() - began)


# The process that asks.


def ask(way: str, fingerprint: str, storage: str, seconds: float) -> dict[str, float]:
    """Run one way in a process of its own."""
    with tempfile.TemporaryDirectory(dir=os.environ["WORKBENCH_HOME"]) as empty:
        return report.run_alone(
            "benchmarks.object_storage",
            *("--way", way, "--fingerprint", fingerprint),
            *("--seconds", seconds, "--storage", storage),
            env=os.environ | {"WORKBENCH_CACHE": empty},
        )


def main() -> None:
    parser = report.make_parser(__doc__, rounds=3)
    parser.add_argument("--gb", type=float, default=4.0, help="size of the data")
    parser.add_argument("--cache-gb", type=float, default=2.0, help="size of the cache")
    parser.add_argument("--seconds", type=float, default=60.0, help="of each way in each round")
    parser.add_argument("--way", help=argparse.SUPPRESS)
    parser.add_argument("--fingerprint", help=argparse.SUPPRESS)
    parser.add_argument("--storage", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        found = read(options.way, options.fingerprint, options.storage, options.seconds)
        print(json.dumps(found))
        return
    results = report.Report("object_storage", "Data in an object store", options)
    with tempfile.TemporaryDirectory(dir=os.environ.get("WORKBENCH_HOME")) as home:
        # Objects above 16 MB lie in files of TMPDIR.
        os.environ |= {"WORKBENCH_HOME": home, cache.BOUND: str(options.cache_gb)}
        tempfile.tempdir = home
        with serve(home) as storage:
            began = time.perf_counter()
            fingerprint = write(options.gb, storage)
            took = time.perf_counter() - began
            size = f"{options.gb:g} GB on S3"
            results.add(f"{size} written", "shards", options.gb * 1000 / took, "MB/s")
            ways = {"trained, tensors in memory": "tensors", "trained, shards": "shards"}
            ways |= {"read, floor: eight downloads": "floor", "read, shards": "read"}
            seen: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
            for number in range(options.rounds):
                for way in list(ways) if number % 2 == 0 else list(ways)[::-1]:
                    seen[way].append(ask(ways[way], fingerprint, storage, options.seconds))
    case = f"{size}, cache of {options.cache_gb:g} GB"
    for way, rounds in seen.items():
        kind, _, what = way.partition(", ")
        results.add(f"{kind}, {case}", what, [each["rows"] for each in rounds], "rows/s")
    for way in ("trained, shards", "read, shards"):
        for what, name in (("peak", "memory above the net"), ("cache", "cache")):
            most = max(each[what] for each in seen[way]) / 1e6
            results.add(f"{way}: {name}", "largest", most, "MB")
    results.finish()


if __name__ == "__main__":
    main()
