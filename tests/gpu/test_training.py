"""Training on a GPU gives what training on the CPU gives, and waits for the device only where it must."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import torch
import torch.multiprocessing

from nets.augment import AugmentConfig
from nets.batches import Batch, batches, num_batches
from nets.errors import MemoryFullError
from nets.fit import Fit
from tests.gpu.samples import BATCH, ROWS, SAMPLES, Sample, to_device, train

CPU = torch.device("cpu")
AUGMENT = AugmentConfig(flip=True, crop=2)


@pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES)
def test_losses_are_those_of_the_cpu(sample: Sample, device: torch.device) -> None:
    rows = sample.rows()
    fit = sample.start(device, precision="float32")
    there = train(fit, to_device(rows, device))
    here = train(sample.start(CPU, precision="float32"), rows)
    assert there == pytest.approx(here, rel=1e-3)
    assert there[-1] < there[0]


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
@pytest.mark.parametrize("name", ["cnn", "resnet", "lstm"])
def test_half_precision_learns_as_float32_does(
    name: str, precision: str, device: torch.device
) -> None:
    if device.type == "cpu" and name == "lstm" and precision == "float16":
        pytest.skip("PyTorch has no LSTM in float16 on CPUs")
    sample = SAMPLES[name]
    rows = to_device(sample.rows(), device)
    half = train(sample.start(device, precision=precision), rows)
    whole = train(sample.start(device, precision="float32"), rows)
    assert half == pytest.approx(whole, rel=0.1)


def test_memory_layout_does_not_change_the_losses(device: torch.device) -> None:
    sample = SAMPLES["resnet"]
    rows = to_device(sample.rows(), device)
    losses = [
        train(sample.start(device, precision="float32", channels_last=last), rows)
        for last in (True, False)
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


@pytest.mark.parametrize("name", ["cnn", "resnet", "lstm"])
def test_the_same_seed_gives_the_same_digits(
    name: str, device: torch.device, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample = SAMPLES[name]
    augment = AUGMENT if name != "lstm" else AugmentConfig()
    rows = to_device(sample.rows(), device)
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # as PyTorch asks
    torch.use_deterministic_algorithms(True)
    try:
        losses = [train(sample.start(device, augment=augment), rows) for _ in range(2)]
    finally:
        torch.use_deterministic_algorithms(False)
    assert losses[0] == losses[1]


@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_a_training_goes_on_where_it_was_killed(precision: str, device: torch.device) -> None:
    sample = SAMPLES["cnn"]
    rows = to_device(sample.rows(), device)
    whole = train(sample.start(device, augment=AUGMENT, precision=precision), rows)
    first = sample.start(device, augment=AUGMENT, precision=precision)
    before = train(first, rows, epochs=1)
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    second = sample.start(device, augment=AUGMENT, precision=precision)
    second.load_state_dict(torch.load(file, map_location=device))
    assert before + train(second, rows) == pytest.approx(whole, rel=1e-4)


def test_a_step_waits_for_the_gpu_only_to_check_the_loss(gpu: torch.device) -> None:
    sample = SAMPLES["resnet"]
    rows = to_device(sample.rows(), gpu)
    fit = sample.start(gpu, augment=AUGMENT, clip_norm=1.0)
    train(fit, rows, epochs=1)  # cuDNN chooses its algorithms
    fit.net.train()
    torch.cuda.set_sync_debug_mode("error")
    try:
        for batch in batches(rows, BATCH, seed=0, epoch=1):
            fit._take_step(batch, 0.01)
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_a_batch_too_large_for_the_gpu_is_told_with_one_that_fits(gpu: torch.device) -> None:
    sample = SAMPLES["resnet"]
    free, total = torch.cuda.mem_get_info()
    torch.cuda.set_per_process_memory_fraction((total - free + 2**30) / total)
    try:
        rows = 2**18
        large = Batch(
            torch.zeros(rows, *sample.spec.shape, dtype=torch.uint8), torch.zeros(rows).long()
        )
        config = sample.config(batch_size=rows, epochs=1)
        fit = Fit(sample.make(), config, steps_per_epoch=1, device=gpu)
        with pytest.raises(MemoryFullError, match=r"set training.batch_size to \d+"):
            fit.train_steps([large])
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


def run_worker(rank: int, folder: str, kind: str) -> None:
    """Two workers on one device. NCCL refuses a second one there, so gloo carries the sums."""
    torch.set_num_threads(1)
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    store = torch.distributed.FileStore(f"{folder}/store", 2)
    torch.distributed.init_process_group("gloo", store=store, rank=rank, world_size=2)
    sample, device = SAMPLES["cnn"], torch.device(kind)
    net = sample.make().to(device)
    config = sample.config(precision="float32", augment=AUGMENT)
    model = torch.nn.parallel.DistributedDataParallel(net)
    steps = num_batches(ROWS, BATCH, world_size=2)
    fit = Fit(net, config, steps_per_epoch=steps, device=device, model=model)
    rows = to_device(sample.rows(), device)
    losses = []
    for epoch in range(config.epochs):
        given = batches(rows, BATCH, seed=0, epoch=epoch, rank=rank, world_size=2)
        losses.append(fit.train_epoch(given)["train/loss"])
    torch.save(losses, f"{folder}/{rank}.pt")
    store.set(f"done {rank}", "")  # gloo aborts a worker whose peer has gone while it sums
    store.wait([f"done {other}" for other in range(2)])
    torch.distributed.destroy_process_group()


def test_two_workers_on_one_device(device: torch.device, tmp_path: Path) -> None:
    torch.multiprocessing.spawn(run_worker, (str(tmp_path), device.type), nprocs=2)
    losses = [torch.load(tmp_path / f"{rank}.pt") for rank in range(2)]
    assert losses[0] == losses[1] and losses[0][-1] < losses[0][0]
