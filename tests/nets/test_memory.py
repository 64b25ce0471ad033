"""A batch that does not fit the memory, in a process of its own with a bound on it."""

from __future__ import annotations

import multiprocessing
import resource
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from nets import CNNConfig, TensorSpec, TrainingConfig, build
from nets.batches import Batch
from nets.errors import MemoryFullError
from nets.fit import Fit
from nets.memory import explain, is_full

ROWS, EXTRA = 4096, 2**28


def train(extra: int, answer: str) -> None:
    """Train one step of `ROWS` rows with `extra` bytes of address space; the error's message."""
    torch.set_num_threads(1)
    net = build(CNNConfig(), TensorSpec(kind="image", shape=(3, 32, 32), dtype="uint8"), 4)
    rows = Batch(torch.zeros(ROWS, 3, 32, 32, dtype=torch.uint8), torch.zeros(ROWS).long())
    fit = Fit(net, TrainingConfig(batch_size=ROWS, epochs=1), steps_per_epoch=1)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + extra, used + extra))
    try:
        fit.train_steps([rows])
        Path(answer).write_text("it fitted")
    except MemoryFullError as error:
        same = all(
            torch.equal(value, before[name])
            for name, value in net.state_dict().items()
            if name.endswith(("weight", "bias"))
        )
        Path(answer).write_text(f"{error} Weights as before: {same}")


def test_a_batch_too_large_for_the_memory_is_told_with_one_that_fits(tmp_path: Path) -> None:
    process = multiprocessing.get_context("spawn").Process(
        target=train, args=(EXTRA, str(tmp_path / "answer"))
    )
    process.start()
    process.join(120)
    message = (tmp_path / "answer").read_text()
    assert f"full in a step of {ROWS} rows" in message
    assert "Weights as before: True" in message
    fitting = int(message.split("set training.batch_size to ")[1].split(",")[0])
    assert 1 <= fitting < ROWS


def allocate(batch: Batch) -> None:
    torch.empty(2**60, dtype=torch.uint8)


@pytest.mark.parametrize(
    ("try_step", "says"),
    [(allocate, "one row does not fit"), (None, "batch_size to 4, or use more")],
)
def test_where_nothing_fits_or_others_wait(
    try_step: Callable[[Batch], None] | None, says: str
) -> None:
    batch = Batch(torch.zeros(8, 2), torch.zeros(8).long())
    with pytest.raises(RuntimeError) as raised:
        allocate(batch)
    assert is_full(raised.value) and not is_full(RuntimeError("shapes differ"))
    assert says in str(explain(batch, torch.device("cpu"), try_step))
