"""An evaluation in bounded memory gives what one that keeps every row gives."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from nets import CNNConfig, TensorSpec, TrainingConfig, build
from nets.batches import Batch, batches
from nets.evaluation import Evaluation
from nets.evaluation_sums import EvaluationSums
from nets.fit import Fit
from nets.metrics import confusion, per_class
from nets.task import Task

SPEC = TensorSpec(kind="image", shape=(1, 8, 8), dtype="uint8")
ROWS, CLASSES = 300, 4


def rows(values: bool = False) -> Batch:
    generator = torch.Generator().manual_seed(0)
    features = torch.randint(0, 255, (ROWS, 1, 8, 8), generator=generator).to(torch.uint8)
    weight = torch.rand(ROWS, generator=generator)
    label = torch.randint(0, CLASSES - 1, (ROWS,), generator=generator)  # the last has no rows
    if values:
        return Batch(features, torch.randn(ROWS, CLASSES, generator=generator), weight=weight)
    return Batch(features, label, weight=weight)


def start(values: bool = False) -> Fit:
    loss = {"loss": "mse", "monitor": "validation/loss", "mode": "min"} if values else {}
    config = TrainingConfig(**loss)  # type: ignore[arg-type]
    return Fit(build(CNNConfig(), SPEC, CLASSES, seed=0), config, steps_per_epoch=1)


def in_order(data: Batch, rank: int = 0, of: int = 1) -> Iterator[Batch]:
    return batches(data, 32, seed=0, epoch=0, shuffle=False, rank=rank, world_size=of)


@pytest.mark.parametrize("values", [False, True])
def test_sums_give_what_all_rows_give(values: bool) -> None:
    fit, data = start(values), rows(values)
    whole = fit.evaluate(in_order(data))
    few = fit.evaluate(in_order(data), held_bytes=3000)
    assert whole.sums is None and few.sums is not None
    assert 0 < len(few.losses) < ROWS / 2
    assert torch.equal(few.scores, whole.scores[: len(few.scores)])
    assert few.count == ROWS
    assert few.metrics("x") == pytest.approx(whole.metrics("x"), rel=1e-9)
    if not values:  # counts are exact
        for name in ("x/accuracy", "x/macro_f1"):
            assert few.metrics("x")[name] == whole.metrics("x")[name]
        assert torch.equal(few.confusion(CLASSES), confusion(whole.scores, whole.labels, CLASSES))
        expected = per_class(whole.scores, whole.labels, CLASSES)
        for got, true in zip(few.per_class(CLASSES), expected, strict=True):
            assert torch.allclose(got, true, atol=1e-7)


@pytest.mark.parametrize("values", [False, True])
def test_workers_that_keep_some_rows_give_the_same(values: bool) -> None:
    fit, data = start(values), rows(values)
    whole = fit.evaluate(in_order(data))
    parts = [
        fit.evaluate(in_order(data, rank, 3), held_bytes=3000 if rank else 10**6)
        for rank in range(3)
    ]
    assert parts[0].sums is None and parts[1].sums is not None
    merged = Evaluation.merge(parts)
    assert merged.count == ROWS
    assert merged.metrics("x") == pytest.approx(whole.metrics("x"), rel=1e-9)
    assert torch.equal(merged.scores, parts[0].scores), "the first rows"
    empty = fit.evaluate([])
    assert Evaluation.merge([*parts, empty]).metrics("x") == merged.metrics("x")


def test_r2_of_outputs_without_spread_or_error_is_that_of_torchmetrics() -> None:
    from nets.metrics import regression

    labels = torch.tensor([[1.0, 2.0, 3.0], [1.0, 2.0, 4.0], [1.0, 2.0, 6.0]])
    scores = torch.tensor([[1.0, 2.5, 3.0], [1.0, 2.0, 4.5], [1.0, 2.0, 6.0]])
    ones = torch.ones(3)
    sums = EvaluationSums.of(Task.VALUES, scores, labels, ones, ones)
    assert sums.metrics() == pytest.approx(regression(scores, labels), rel=1e-12)


def test_memory_does_not_grow_with_the_rows() -> None:
    fit = start()
    data = rows()

    def measure(passes: int) -> int:
        def repeated() -> Iterator[Batch]:
            for _ in range(passes):
                yield from in_order(data)

        kept = fit.evaluate(repeated(), held_bytes=10_000)
        assert kept.count == passes * ROWS
        return sum(x.numel() * x.element_size() for x in (kept.scores, kept.labels, kept.losses))

    assert measure(2) == measure(20) <= 10_000
