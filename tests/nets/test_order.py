from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nets import order
from nets.order import Order, step_seeds


@pytest.fixture(params=["drawn", "keyed"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "keyed":
        monkeypatch.setattr(order, "EXACT_ROWS", 0)
    return str(request.param)


@pytest.mark.parametrize("num_rows", [1, 2, 3, 7, 64, 65, 1000, 4097])
def test_every_row_comes_once(kind: str, num_rows: int) -> None:
    rows = Order(num_rows, seed=1, epoch=0).rows(0, num_rows)
    assert sorted(rows.tolist()) == list(range(num_rows))


@given(low=st.integers(0, 300), count=st.integers(0, 300))
def test_any_part_of_a_keyed_order_can_be_asked_for(low: int, count: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(order, "EXACT_ROWS", 0)
        whole = Order(600, seed=4, epoch=2).rows(0, 600)
        part = Order(600, seed=4, epoch=2).rows(low, low + count)
    assert torch.equal(whole[low : low + count], part)


def test_seed_and_epoch_decide_the_order(kind: str) -> None:
    def rows(seed: int, epoch: int) -> tuple[int, ...]:
        torch.rand(1)  # the caller's random state has no say
        return tuple(Order(50, seed=seed, epoch=epoch).rows(0, 50).tolist())

    assert rows(0, 0) == rows(0, 0)
    assert len({rows(seed, epoch) for seed in range(3) for epoch in range(3)}) == 9


def test_batches_of_rows_sorted_by_class_are_as_mixed_as_chance_makes_them(kind: str) -> None:
    """Chi-square of the class counts of batches over its degrees of freedom: 1 by chance."""
    classes, each, size = 10, 6400, 128
    ratios = []
    for epoch in range(4):
        rows = Order(classes * each, seed=0, epoch=epoch).rows(0, classes * each).numpy()
        counts = np.stack(
            [np.bincount(batch // each, minlength=classes) for batch in rows.reshape(-1, size)]
        )
        expected = size / classes
        # Without replacement, the variance is smaller by (N - n) / (N - 1): below 1 percent here.
        chi = ((counts - expected) ** 2 / expected).sum()
        ratios.append(chi / (len(counts) * (classes - 1)))
    assert 0.95 < np.mean(ratios) < 1.05


def test_an_order_of_billions_of_rows_takes_no_memory() -> None:
    rows = Order(5_000_000_000, seed=0, epoch=0).rows(4_000_000_000, 4_000_000_100)
    assert len(set(rows.tolist())) == 100
    assert int(rows.min()) >= 0 and int(rows.max()) < 5_000_000_000


def test_the_seed_of_a_step_does_not_depend_on_the_number_of_steps() -> None:
    assert step_seeds(3, 2, 10) == step_seeds(3, 2, 100)[:10]
    assert len(set(step_seeds(3, 2, 100)) | set(step_seeds(3, 3, 100))) == 200
