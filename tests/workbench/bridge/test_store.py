"""The prepared store: whole or absent, found again, kept within a bound, read in any order."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from nets.prepare import PreparationConfig
from nets.spec import TensorSpec
from nets.statistics import Sums
from workbench.bridge import Prepared, SplitReader, kept, reading, store_arrays
from workbench.bridge.preparation import prepare as prepare_source
from workbench.bridge.prepared import load
from workbench.bridge.store import find_damage, read_description
from workbench.data import DataConfig, fingerprint
from workbench.errors import DataError

SPEC = TensorSpec(kind="series", shape=(4, 3))


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path))
    monkeypatch.delenv(kept.BOUND, raising=False)
    return tmp_path


def prepare(rows: int = 100, seed: int = 0, **facts: Any) -> Prepared:
    generator = np.random.default_rng(seed)
    arrays = {
        "features": generator.normal(size=(rows, *SPEC.shape)).astype(np.float32),
        "label": np.arange(rows) % 3,
        "length": np.full(rows, 4),
    }
    sums = Sums(12)
    sums.add(arrays["features"].reshape(rows, -1))
    facts = {"labels": ("a", "b", "c"), "num_outputs": 3, "class_counts": (34, 33, 33)} | facts
    splits = {"train": arrays, "test": {name: values[:10] for name, values in arrays.items()}}
    return store_arrays(splits, SPEC, statistics=sums.statistics(), **facts)


def find_again(prepared: Prepared) -> Prepared | None:
    again = kept.find(prepared.fingerprint)
    return None if again is None else load(*again)


def test_what_was_prepared_is_found_again() -> None:
    prepared = prepare()
    again = find_again(prepared)
    assert again is not None and again.is_whole()
    assert (again.labels, again.class_counts, again.spec) == (
        prepared.labels,
        prepared.class_counts,
        prepared.spec,
    )
    assert prepared.statistics is not None and again.statistics is not None
    assert np.array_equal(again.statistics.mean, prepared.statistics.mean)
    for name, split in prepared.splits.items():
        one, other = split.read(), again.splits[name].read()
        assert one.keys() == other.keys() == {"features", "label", "length", "key"}
        assert all(np.array_equal(one[column], other[column]) for column in one)


def test_nobody_else_may_look() -> None:
    assert prepare().folder.parent.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("damage", ["flipped", "cut", "gone"])
def test_damaged_data_is_not_found_and_not_kept(damage: str) -> None:
    prepared = prepare()
    path = prepared.folder / "train" / "features.bin"
    time.sleep(0.02)
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(content[: len(content) if damage == "flipped" else 64])
    description = read_description(prepared.folder)
    assert description is not None
    assert find_damage(prepared.folder, description) == "train/features.bin"
    assert find_again(prepared) is None
    assert not prepared.folder.exists()


def test_a_cut_file_is_named_when_it_is_opened() -> None:
    prepared = prepare()
    path = prepared.folder / "train" / "features.bin"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(
        DataError, match=r"features\.bin .* has 4,799 bytes where 4,800 were written"
    ):
        prepared.splits["train"].open()


def test_rows_that_another_version_of_the_readers_prepared_are_not_met(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    prepared = prepare()
    monkeypatch.setattr(kept, "code_digest", lambda: "other")
    assert find_again(prepared) is None


def test_a_session_keeps_what_it_prepared_when_program_files_change(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As on a bench whose program is edited or upgraded: its next trainings still find the data."""
    config, preparation = DataConfig(), PreparationConfig()
    rows = {"train": 100, "validation": 10, "test": 10}
    counts = {"train": [34, 33, 33], "validation": [4, 3, 3], "test": [4, 3, 3]}
    prepared = prepare(record={"bad": {"rows": 0}, "rows": rows, "class_counts": counts})
    held: Any = SimpleNamespace(
        prepared={fingerprint(config, preparation): prepared}, prepare=None, spark=None
    )
    monkeypatch.setattr(kept, "code_digest", lambda: "other")
    assert prepare_source(config, preparation, held) is prepared
    assert prepared.is_whole()


def test_a_preparation_that_was_killed_leaves_nothing_that_reads_as_data(own_home: Path) -> None:
    script = (
        "import os, signal\n"
        "from workbench.bridge import kept\n"
        "with kept.new_part() as part:\n"
        "    (part / 'store.json').write_text('{}')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=False, cwd=Path(__file__).parents[3])
    parts = list((own_home / "prepared").glob(".part-*"))
    assert len(parts) == 1
    assert kept.list_kept() == []
    kept.prune()
    assert not parts[0].exists()


def test_the_least_recently_used_goes_first_and_never_what_is_in_use() -> None:
    stores = [prepare(seed=seed) for seed in range(3)]
    for age, prepared in enumerate(reversed(stores)):
        then = time.time() - 10_000 * (age + 1)
        os.utime(prepared.folder / "store.json", (then, then))
    oldest, middle, newest = stores
    with oldest.splits["train"].open():
        size = kept.list_kept()[0].num_bytes
        removed = kept.prune(int(2.5 * size))
        assert [store.folder for store in removed] == [middle.folder]
        with pytest.raises(DataError, match="in use by a training"):
            kept.remove(oldest.fingerprint)
    assert [store.folder for store in kept.list_kept()] == [newest.folder, oldest.folder]
    assert kept.remove(oldest.fingerprint[:6]).folder == oldest.folder
    with pytest.raises(DataError, match="is not among the prepared data"):
        kept.remove(oldest.fingerprint)


def test_what_was_just_used_stays_though_the_bound_is_passed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(kept.BOUND, "0")
    prepared = prepare()
    assert kept.prune() == []
    assert [store.folder for store in kept.prune(fresh_s=0)] == [prepared.folder]


@pytest.mark.parametrize("value", ["much", "-1", "nan"])
def test_a_bound_that_is_no_number_is_refused(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(kept.BOUND, value)
    with pytest.raises(DataError, match=f"WORKBENCH_PREPARED_GB must be .* got '{value}'"):
        kept.bound_bytes()


@pytest.fixture(params=["mapped", "read ahead"])
def reader(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SplitReader]:
    if request.param == "read ahead":
        monkeypatch.setattr(reading, "_MEMORY_SHARE", 0.0)
    yield SplitReader(prepare(101).splits["train"], torch.device("cpu"))


def test_every_row_comes_once_in_the_order_of_seed_and_epoch(reader: SplitReader) -> None:
    everything = reader.split.read()
    order = torch.cat([b.label for b in reader.shuffled(16, seed=3, epoch=1)])
    expected = [label for batch in expected_rows(101, 16) for label in everything["label"][batch]]
    assert order.tolist() == expected
    rest = list(reader.shuffled(16, seed=3, epoch=1, first=4))
    assert torch.cat([b.label for b in rest]).tolist() == expected[64:]
    features = torch.cat([b.features for b in reader.in_order(7)])
    assert np.array_equal(features.numpy(), everything["features"])


def expected_rows(rows: int, size: int) -> list[list[int]]:
    from nets.batches import shuffled_rows

    return [numbers.tolist() for numbers, _ in shuffled_rows(rows, size, seed=3, epoch=1)]


@pytest.mark.parametrize("world_size", [1, 2, 3, 5])
def test_the_same_rows_in_the_same_batches_for_any_number_of_workers(
    reader: SplitReader, world_size: int
) -> None:
    alone = [b.features for b in reader.shuffled(16, seed=0, epoch=0)]
    ranks = [
        list(reader.shuffled(16, seed=0, epoch=0, rank=rank, world_size=world_size))
        for rank in range(world_size)
    ]
    for shares, whole in zip(zip(*ranks, strict=True), alone, strict=True):
        own = [b.features for b in shares if b.share is None or b.share.counts]
        assert torch.equal(torch.cat(own), whole)


def test_an_error_of_the_thread_that_reads_ahead_is_raised() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise OSError("the disk is gone")

    items = reading.run_ahead(broken(), 2)
    assert next(items) == 1
    with pytest.raises(OSError, match="the disk is gone"):
        next(items)


def test_a_training_that_stops_early_ends_the_thread_that_reads_ahead() -> None:
    import threading

    items = reading.run_ahead(iter(range(1000)), 2)
    assert next(items) == 0
    items.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "read-ahead"]
