"""A prepared store in a shared folder or an object store, read through a bounded cache."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nets import TrainingConfig
from nets.order import Resample
from nets.spec import TensorSpec
from tests.workbench.s3 import S3
from tests.workbench.small import digits
from workbench.bridge import Prepared, SplitReader, cache, find, shards, store_arrays
from workbench.bridge.cache import SharedOrigin, fetch_labels, hold_shard, used_bytes
from workbench.bridge.shards import StoredShards
from workbench.errors import DataError
from workbench.training.learner import Learner

SPEC = TensorSpec(kind="image", shape=(1, 8, 8), dtype="uint8")
ROWS, CLASSES = 12_000, 4
SHARD_ROWS, WINDOW = 200, 2


@pytest.fixture(autouse=True)
def small_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.delenv(cache.BOUND, raising=False)
    monkeypatch.setattr(shards, "SHARD_BYTES", SHARD_ROWS * SPEC.num_bytes)
    monkeypatch.setattr(shards, "WINDOW", WINDOW)


def prepare(storage: Path | str, rows: int = ROWS, label: np.ndarray | None = None) -> Prepared:
    """Rows sorted by class; the first two pixels are the row's number."""
    generator = np.random.default_rng(0)
    label = np.arange(rows) * CLASSES // rows if label is None else label
    features = generator.integers(0, 60, (rows, *SPEC.shape)).astype(np.uint8)
    features[:, 0, 4:] += (40 * label[:, None, None]).astype(np.uint8)
    features[:, 0, 0, :2] = np.arange(rows, dtype="<u2").view(np.uint8).reshape(-1, 2)
    whole = {"features": features, "label": label, "weight": np.ones(rows, np.float32)}
    few = {name: values[:: rows // 500] for name, values in whole.items()}
    return store_arrays(
        {"train": whole, "validation": few},
        SPEC,
        storage=str(storage),
        labels=("a", "b", "c", "d"),
        num_outputs=CLASSES,
        statistics=None,
        class_counts=tuple(np.bincount(label).tolist()),
    )


def stored(prepared: Prepared) -> StoredShards:
    split = prepared.splits["train"].stored
    assert isinstance(split, StoredShards)
    return split


def origin_of(prepared: Prepared) -> SharedOrigin:
    assert isinstance(prepared.origin, SharedOrigin)
    return prepared.origin


def row_numbers(features: Any) -> list[int]:
    """What `prepare` wrote into the pixels."""
    pixels = np.ascontiguousarray(np.asarray(features)[:, 0, 0, :2])
    return [int(number) for number in pixels.view("<u2")[:, 0]]


def test_what_was_written_is_found_and_read_in_any_way(tmp_path: Path) -> None:
    prepared = prepare(tmp_path / "shared")
    again = find(prepared.fingerprint, str(tmp_path / "shared"))
    assert again is not None and again.splits == prepared.splits and again.is_whole()
    assert len(stored(prepared).shards) == ROWS // SHARD_ROWS
    split = again.splits["train"]
    everything = split.read()
    numbers = row_numbers(everything["features"])
    assert sorted(numbers) == list(range(ROWS))
    assert everything["label"].tolist() == [n * CLASSES // ROWS for n in numbers]
    assert everything["key"].tolist() == [f"{n:012d}" for n in numbers]
    assert split.labels().tolist() == everything["label"].tolist()
    with split.open() as rows:
        assert row_numbers(rows.read(195, 205)["features"]) == numbers[195:205]
        chosen = np.array([7000, 3, 8000, 3])
        assert row_numbers(rows.take(chosen)["features"]) == [numbers[n] for n in chosen]
        assert rows.keys(chosen).tolist() == [f"{numbers[n]:012d}" for n in chosen]
        chunks = [row_numbers(chunk["features"]) for chunk in rows.read_chunks(999)]
        assert list(itertools.chain(*chunks)) == numbers
        assert rows.read(ROWS, ROWS)["features"].shape == (0, *SPEC.shape)


def test_a_shard_is_a_random_sample_of_the_rows(tmp_path: Path) -> None:
    prepared = prepare(tmp_path)
    sizes = [shard.rows for shard in stored(prepared).shards]
    labels = np.split(prepared.splits["train"].labels().numpy(), np.cumsum(sizes)[:-1])
    counts = np.stack([np.bincount(part, minlength=CLASSES) for part in labels])
    expected = np.array(sizes)[:, None] / CLASSES
    freedom = (len(sizes) - 1) * (CLASSES - 1)
    assert ((counts - expected) ** 2 / expected).sum() / freedom == pytest.approx(1, abs=0.35)


@pytest.mark.slow
@pytest.mark.parametrize("place", ["folder", "s3"])
def test_losses_do_not_depend_on_the_place_and_the_cache(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """Step by step as from a folder with room for everything, with a cache of a tenth of the data."""
    torch.set_num_threads(1)
    expected = losses(prepare(tmp_path / "shared"))
    whole = used_bytes()
    storage = tmp_path / "other"
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "small"))
    monkeypatch.setenv(cache.BOUND, str(whole / 10 / 1e9))
    s3: S3 | None = request.getfixturevalue("s3") if place == "s3" else None
    prepared = prepare(s3.storage if s3 else storage)
    assert losses(prepared, most_bytes=whole / 10) == expected
    assert "s3cret" not in repr(prepared)


def losses(prepared: Prepared, most_bytes: float = float("inf")) -> list[float]:
    """Of each step of two epochs, and of the validation rows after them."""
    training = TrainingConfig(epochs=2, batch_size=64, health=False)
    preparation = replace(digits().preparation, method="none")
    learner = Learner(replace(digits(), training=training, preparation=preparation), prepared)
    found = []
    while not learner.finished:
        while not learner.train_part(0.0):
            assert used_bytes() <= most_bytes
        metrics = learner.train_epoch()
        found += [point.loss for point in learner.fit.take_points()]
        found.append(metrics["validation/loss"])
        assert used_bytes() <= most_bytes
    assert len(found) > 300
    return found


def test_every_row_comes_once_in_the_same_batches_for_any_number_of_workers(
    tmp_path: Path,
) -> None:
    split = prepare(tmp_path).splits["train"]
    cpu = torch.device("cpu")

    def read(world_size: int, epoch: int = 0, first: int = 0) -> list[list[int]]:
        """The rows of each batch, put together from the workers' shares."""
        readers = [SplitReader(split, cpu) for _ in range(world_size)]
        ranks = [
            reader.shuffled(128, seed=3, epoch=epoch, first=first, rank=rank, world_size=world_size)
            for rank, reader in enumerate(readers)
        ]
        return [
            [n for share in shares for n in row_numbers(share.features)]
            for shares in zip(*ranks, strict=True)
        ]

    alone = read(1)
    assert sorted(itertools.chain(*alone)) == list(range(ROWS))
    for world_size in (2, 3, 5):
        assert read(world_size) == alone
    assert read(1, first=40) == alone[40:]
    later = read(1, epoch=1)
    assert later != alone and sorted(itertools.chain(*later)) == list(range(ROWS))

    counts = np.stack(
        [
            np.bincount(np.array(batch) * CLASSES // ROWS, minlength=CLASSES)
            for epoch in range(6)
            for batch in read(1, epoch=epoch)[:-1]
        ]
    )
    chi_square = ((counts - 128 / CLASSES) ** 2 / (128 / CLASSES)).sum()
    assert 0.95 < chi_square / (len(counts) * (CLASSES - 1)) < 1.05


@pytest.mark.parametrize(("world_size", "share"), [(2, 0.65), (8, 0.4)])
def test_a_worker_opens_only_the_shards_of_its_share(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, world_size: int, share: float
) -> None:
    """In windows of eight shards; a part of a shard more at both ends, since a batch is drawn by chance."""
    monkeypatch.setattr(shards, "WINDOW", 8)
    prepared = prepare(tmp_path)
    split, opened = prepared.splits["train"], []
    for rank in range(world_size):
        reader = SplitReader(split, torch.device("cpu"))
        rows = sum(
            len(batch.label)
            for batch in reader.shuffled(512, seed=3, epoch=0, rank=rank, world_size=world_size)
        )
        assert reader.shards is not None and rows > 0.9 * ROWS / world_size
        opened.append(reader.shards.take_counts()[0])
    assert np.mean(opened) / len(stored(prepared).shards) <= share


@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_an_evaluation_has_every_row_once_in_order(tmp_path: Path, world_size: int) -> None:
    split = prepare(tmp_path).splits["train"]
    seen = []
    for rank in range(world_size):
        reader = SplitReader(split, torch.device("cpu"))
        for batch in reader.in_order(100, rank=rank, world_size=world_size):
            seen += row_numbers(batch.features)
    assert seen == row_numbers(split.read()["features"])


def test_a_shard_that_was_damaged_here_is_fetched_again(tmp_path: Path) -> None:
    prepared = prepare(tmp_path)
    shard = stored(prepared).shards[0]
    held = hold_shard(origin_of(prepared), shard)
    content = bytearray(held.path.read_bytes())
    whole = bytes(content)
    held.close()
    assert not hold_shard(origin_of(prepared), shard).fetched
    content[500] ^= 1
    held.path.write_bytes(content)
    again = hold_shard(origin_of(prepared), shard)
    assert again.fetched and again.path.read_bytes() == whole


@pytest.mark.parametrize("damage", ["flipped", "cut", "gone"])
def test_a_shard_that_is_damaged_where_it_was_written_is_named(damage: str, tmp_path: Path) -> None:
    prepared = prepare(tmp_path)
    name = stored(prepared).shards[3].name
    path = Path(origin_of(prepared).path) / name
    content = bytearray(path.read_bytes())
    content[500] ^= 1
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(content if damage == "flipped" else content[:-1])
    what = "cannot be read" if damage == "gone" else "is damaged"
    with pytest.raises(DataError, match=rf"{name} of the prepared data .* {what}.*prepared again"):
        list(SplitReader(prepared.splits["train"], torch.device("cpu")).in_order(100))
    assert (find(prepared.fingerprint, str(tmp_path)) is None) == (damage != "flipped")


def test_a_preparation_that_was_killed_leaves_nothing_that_reads_as_data(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys\n"
        "from workbench.bridge import shared\n"
        "write = shared.SharedPart._write\n"
        "def die(part, path, content):\n"
        "    if path.endswith('store.json'):\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    write(part, path, content)\n"
        "shared.SharedPart._write = die\n"
        "from pathlib import Path\n"
        "from tests.workbench.bridge.test_shards import prepare\n"
        f"prepare(Path({str(tmp_path)!r}), rows=1000)\n"
    )
    root = Path(__file__).parents[3]
    ended = subprocess.run([sys.executable, "-c", script], check=False, cwd=root)
    assert ended.returncode == -9
    (store,) = (tmp_path / "prepared").iterdir()
    (left,) = store.iterdir()
    assert list(left.rglob("*.arrow"))
    assert find(store.name.rpartition("-")[0], str(tmp_path)) is None
    old = 1_000_000_000
    for path in left.rglob("*"):
        os.utime(path, (old, old))
    prepared = prepare(tmp_path, rows=1000)
    assert sorted(row_numbers(prepared.splits["train"].read()["features"])) == list(range(1000))
    assert not left.exists()


def test_two_preparations_at_once_give_one_store(tmp_path: Path) -> None:
    results: list[Prepared] = []
    threads = [
        threading.Thread(target=lambda: results.append(prepare(tmp_path, 1000))) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    again = find(results[0].fingerprint, str(tmp_path))
    assert again is not None
    assert sorted(row_numbers(again.splits["train"].read()["features"])) == list(range(1000))


def test_what_is_in_use_stays_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared = prepare(tmp_path)
    origin, each = origin_of(prepared), stored(prepared).shards
    first, second = hold_shard(origin, each[0]), hold_shard(origin, each[1])
    second.close()
    monkeypatch.setenv(cache.BOUND, str((each[0].num_bytes + each[2].num_bytes) / 1e9))
    hold_shard(origin, each[2]).close()
    assert first.path.exists() and not second.path.exists()
    assert used_bytes() <= cache.bound_bytes()


def test_what_a_killed_process_left_of_a_shard_goes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared = prepare(tmp_path)
    origin, each = origin_of(prepared), stored(prepared).shards
    held = hold_shard(origin, each[0])
    left = held.path.with_name(f".{held.path.name}-1-1")
    left.write_bytes(bytes(5000))
    monkeypatch.setenv(cache.BOUND, "0")
    hold_shard(origin, each[1])
    assert not left.exists() and held.path.exists()


@pytest.mark.parametrize("resample", ["over", "under"])
def test_classes_are_made_alike_in_shards_too(tmp_path: Path, resample: Resample) -> None:
    """Also a class that most shards have no row of; the same batches for any number of workers."""
    label = np.repeat(np.arange(CLASSES), [ROWS - 2_030, 1_500, 500, 30])
    split = prepare(tmp_path, label=label).splits["train"]
    each = int(np.bincount(label).max() if resample == "over" else 30)
    assert split.shards is not None and split.shards.count_classes().sum(axis=0)[3] == 30

    def read(world_size: int, epoch: int = 0) -> list[list[int]]:
        ranks = [
            SplitReader(split, torch.device("cpu")).shuffled(
                64, seed=3, epoch=epoch, rank=rank, world_size=world_size, resample=resample
            )
            for rank in range(world_size)
        ]
        return [
            [n for share in shares for n in row_numbers(share.features)]
            for shares in zip(*ranks, strict=True)
        ]

    alone = read(1)
    rows = np.array([*itertools.chain(*alone)])
    assert np.bincount(label[rows]).tolist() == [each] * CLASSES
    times = np.bincount(rows, minlength=ROWS)
    for number in range(CLASSES):
        own = times[label == number]
        assert own.max() - own.min() <= 1  # none once more before all of its class
    assert read(2) == alone and read(3) == alone
    training = TrainingConfig(seed=3, batch_size=64, resample=resample)
    (order,) = split.draw_orders(training, passes=1)
    with split.open() as opened:
        drawn = opened.take(order.rows(0, 64).sort().values.numpy())["features"]
    assert row_numbers(drawn) == alone[0]
    later = np.bincount([*itertools.chain(*read(1, epoch=1))], minlength=ROWS)
    assert not np.array_equal(later, times)


def test_labels_are_read_without_the_rest_of_a_shard(tmp_path: Path) -> None:
    prepared = prepare(tmp_path)
    labels = prepared.splits["train"].labels()
    assert torch.bincount(labels).tolist() == [ROWS // CLASSES] * CLASSES and not used_bytes()
    shard = stored(prepared).shards[3]
    path = Path(origin_of(prepared).path) / shard.name
    content = path.read_bytes()
    own = fetch_labels(origin_of(prepared), shard, SPEC).astype("<i8").tobytes()
    assert content.count(own) == 1
    path.write_bytes(content.replace(own, own[8:] + bytes(8)))
    with pytest.raises(DataError, match="is damaged"):
        prepared.splits["train"].labels()


def test_a_place_that_does_not_exist_is_named_without_its_password() -> None:
    with pytest.raises(DataError, match=r"cluster\.storage cannot be reached") as refused:
        prepare("nothing://me:s3cret@here/there", rows=1000)
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize("value", ["much", "-1", "nan", "inf"])
def test_a_bound_that_is_no_number_is_refused(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(cache.BOUND, value)
    with pytest.raises(DataError, match=f"WORKBENCH_CACHE_GB must be .* got '{value}'"):
        cache.bound_bytes()
