from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nets.batches import Batch, Resample, batches, mix_seed, num_batches, num_resampled_rows
from nets.errors import ConfigError

sizes = st.integers(1, 60)
workers = st.integers(1, 5)


def rows(count: int) -> Batch:
    """Rows that say which one they are, in all four columns."""
    index = torch.arange(count)
    return Batch(index.float()[:, None].repeat(1, 3), index, index + 1, index.float())


def all_ranks(
    data: Batch, batch_size: int, world_size: int, **options: object
) -> list[list[Batch]]:
    settings = {"seed": 3, "epoch": 0} | options
    return [
        list(batches(data, batch_size, rank=rank, world_size=world_size, **settings))  # type: ignore[arg-type]
        for rank in range(world_size)
    ]


@given(count=sizes, batch_size=sizes, world_size=workers)
def test_any_number_of_workers_gives_the_same_batches_and_every_row_once(
    count: int, batch_size: int, world_size: int
) -> None:
    count, batch_size = max(count, world_size), max(batch_size, world_size)
    alone = [batch.label.tolist() for batch in batches(rows(count), batch_size, seed=3, epoch=0)]
    assert sorted(itertools.chain.from_iterable(alone)) == list(range(count))
    ranks = all_ranks(rows(count), batch_size, world_size)
    assert {len(given) for given in ranks} == {len(alone)}
    assert len(alone) == num_batches(count, batch_size, world_size=world_size)
    for step, whole in zip(zip(*ranks, strict=True), alone, strict=True):
        counted = [b for b in step if b.share is None or b.share.counts]
        assert [label for b in counted for label in b.label.tolist()] == whole
        if len(whole) > 1:
            assert min(len(b.label) for b in step) >= 2  # batch norm needs two
        sizes_of_shares = [len(b.label) for b in counted]
        assert max(sizes_of_shares) - min(sizes_of_shares) <= 1


@given(count=sizes, batch_size=sizes, first=st.integers(0, 10))
def test_a_pass_goes_on_at_any_batch(count: int, batch_size: int, first: int) -> None:
    whole = [b.label.tolist() for b in batches(rows(count), batch_size, seed=1, epoch=2)]
    rest = batches(rows(count), batch_size, seed=1, epoch=2, first=first)
    assert [b.label.tolist() for b in rest] == whole[first:]


@given(count=st.integers(0, 60), batch_size=sizes, world_size=workers)
def test_evaluation_gives_every_row_once_and_in_order(
    count: int, batch_size: int, world_size: int
) -> None:
    ranks = all_ranks(rows(count), batch_size, world_size, shuffle=False)
    seen = [label for given in ranks for batch in given for label in batch.label.tolist()]
    assert seen == list(range(count))
    for rank, given_batches in enumerate(ranks):
        assert len(given_batches) == num_batches(
            count, batch_size, shuffle=False, rank=rank, world_size=world_size
        )


@given(count=sizes, batch_size=sizes, shuffle=st.booleans())
def test_columns_stay_together_and_batches_keep_their_size(
    count: int, batch_size: int, shuffle: bool
) -> None:
    for batch in batches(rows(count), batch_size, seed=0, epoch=1, shuffle=shuffle):
        assert batch.length is not None and batch.weight is not None
        assert torch.equal(batch.features, batch.label.float()[:, None].repeat(1, 3))
        assert torch.equal(batch.length, batch.label + 1)
        assert torch.equal(batch.weight, batch.label.float())
        assert 1 <= len(batch.label) <= batch_size + 1


@given(count=st.integers(2, 60), batch_size=st.integers(2, 60))
def test_no_batch_of_one_row_for_batch_norm_to_fail_on(count: int, batch_size: int) -> None:
    assert all(len(b.label) > 1 for b in batches(rows(count), batch_size, seed=0, epoch=0))


def test_order_depends_on_seed_and_epoch_only() -> None:
    def order(seed: int, epoch: int) -> list[int]:
        torch.rand(1)  # the caller's random state has no say
        return torch.cat([b.label for b in batches(rows(50), 8, seed=seed, epoch=epoch)]).tolist()

    assert order(0, 0) == order(0, 0)
    assert len({tuple(order(seed, epoch)) for seed in range(3) for epoch in range(3)}) == 9


def test_read_only_memory_is_read_without_a_warning_or_a_write() -> None:
    pixels = np.arange(24, dtype=np.uint8).reshape(6, 4)
    shared = torch.from_numpy(pixels.copy())
    before = shared.clone()
    taken = torch.cat(
        [b.features for b in batches(Batch(shared, torch.arange(6)), 4, seed=0, epoch=0)]
    )
    taken.zero_()
    assert torch.equal(shared, before)


def test_evaluation_batches_are_views() -> None:
    data = rows(10)
    first = next(batches(data, 4, seed=0, epoch=0, shuffle=False))
    assert first.features.data_ptr() == data.features.data_ptr()


def test_fewer_rows_than_workers_is_refused() -> None:
    with pytest.raises(ConfigError, match="3 rows for 4 workers"):
        list(batches(rows(3), 4, seed=0, epoch=0, world_size=4))


def test_fewer_rows_a_step_than_workers_is_refused() -> None:
    with pytest.raises(ConfigError, match="got 3 for 4 workers"):
        num_batches(100, 3, world_size=4)


def test_mixed_seeds_differ_in_every_part() -> None:
    seeds = {mix_seed(a, b, c) for a in range(5) for b in range(5) for c in range(5)}
    assert len(seeds) == 125
    assert all(0 <= seed < 2**63 for seed in seeds)


COUNTS = {0: 10, 1: 3, 3: 1}
"""Class 2 has no rows."""


def uneven() -> Batch:
    label = torch.tensor([c for c, count in COUNTS.items() for _ in range(count)])
    return Batch(torch.arange(len(label)), label)


@pytest.mark.parametrize(("resample", "each"), [("over", 10), ("under", 1)])
def test_resampled_classes_are_alike(resample: Resample, each: int) -> None:
    total = num_resampled_rows([10, 3, 0, 1], resample)
    assert total == 3 * each
    found = list(batches(uneven(), 4, seed=0, epoch=0, resample=resample))
    assert len(found) == num_batches(total, 4)
    labels = torch.cat([batch.label for batch in found])
    assert torch.bincount(labels, minlength=4).tolist() == [each, each, 0, each]
    rows = torch.cat([batch.features for batch in found])
    assert torch.equal(uneven().label[rows], labels)
    repeats = torch.bincount(rows, minlength=14)
    of_class_1 = repeats[10:13]
    assert int(of_class_1.max() - of_class_1.min()) <= 1  # none twice before all once


def test_undersampling_takes_others_every_epoch_and_shares_them_out() -> None:
    taken = [
        torch.cat([b.features for b in batches(uneven(), 8, seed=0, epoch=e, resample="under")])
        for e in range(200)
    ]
    assert set(torch.cat(taken).tolist()) == set(range(14))
    shares = all_ranks(uneven(), 4, 2, resample="over")
    assert [len(batch.label) for batch in shares[0]] == [len(batch.label) for batch in shares[1]]
    everything = torch.cat(
        [b.label for share in shares for b in share if b.share and b.share.counts]
    )
    assert torch.bincount(everything, minlength=4).tolist() == [10, 10, 0, 10]
