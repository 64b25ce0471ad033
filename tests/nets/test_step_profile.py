"""What an epoch's time is spent on: the largest part is found where one is planted."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor

from nets import CNNConfig, TensorSpec, TrainingConfig, build
from nets.fit import Batch, Fit
from nets.step_profile import PARTS, PREFIX, StepProfile, describe_profile

SPEC = TensorSpec(kind="image", shape=(1, 8, 8), dtype="uint8")
STEPS = 4


def spin(seconds: float = 0.03) -> None:
    """Work that takes so long."""
    ends = time.perf_counter() + seconds
    while time.perf_counter() < ends:
        pass


def rows(before: Callable[[], None] = lambda: None) -> Iterator[Batch]:
    for _ in range(STEPS):
        before()
        yield Batch(torch.zeros(4, 1, 8, 8, dtype=torch.uint8), torch.arange(4) % 3)


def slow(part: str) -> tuple[dict[str, float], str]:
    """The shares of an epoch with a slow part, and what is said about it."""
    config = TrainingConfig(profile=True, health=False)
    fit = Fit(build(CNNConfig(blocks=()), SPEC, 3), config, steps_per_epoch=STEPS)
    if part == "forward":
        fit.net.register_forward_pre_hook(lambda *_: spin())
    elif part == "step":
        fit.optimizer.register_step_pre_hook(lambda *_: spin())
    elif part == "backward":

        def watch(_: object, _inputs: object, out: Tensor) -> None:
            out.register_hook(lambda _: spin())

        fit.net.register_forward_hook(watch)
    fit.train_epoch(rows(spin if part == "data" else lambda: None))
    shares = fit.profile.take(STEPS * 0.03 if part == "evaluation" else 0.0)
    text = describe_profile([{"epoch": 1.0} | shares])
    assert text is not None
    return shares, text


@pytest.mark.parametrize(
    ("part", "advice"),
    [
        ("data", "Waiting for rows takes"),
        ("forward", "look for loops and work on the CPU"),
        ("backward", "The net itself takes"),
        ("step", "choose a cheaper training.optimizer"),
        ("evaluation", "evaluate less often"),
    ],
)
def test_a_slow_part_is_named(part: str, advice: str) -> None:
    shares, text = slow(part)
    assert list(shares) == [f"{PREFIX}{name}" for name in PARTS]
    assert sum(shares.values()) == pytest.approx(1)
    assert max(shares, key=lambda name: shares[name]) == f"{PREFIX}{part}", shares
    assert advice in text and text.count(". ") == 1  # the shares, and one sentence


def test_nothing_is_measured_unless_asked_for() -> None:
    fit = Fit(build(CNNConfig(), SPEC, 3), TrainingConfig(), steps_per_epoch=STEPS)
    fit.train_epoch(rows())
    assert fit.profile.take(1.0) == {} and describe_profile([{"epoch": 1.0}]) is None


def test_steps_that_overlap_take_no_more_than_the_whole() -> None:
    profile = StepProfile(torch.device("cpu"), active=True)
    profile._every = 2  # as on a GPU, where only some steps are measured
    for _ in profile.watch(range(STEPS)):
        with profile.part("forward"):
            spin(0.004)
    profile.add_total(0.008)
    shares = profile.take(0.008)
    assert shares["profile/forward"] == pytest.approx(0.5, abs=0.02)
    assert shares["profile/evaluation"] == pytest.approx(0.5, abs=0.02)
