"""What an experiment takes, reckoned before anything starts."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import nets
from nets import TensorSpec
from nets.config import override
from nets.fit import Batch, Fit
from tests.workbench.data.test_idx import folder as idx_folder
from tests.workbench.small import digits, digits_sweep
from workbench.experiments import load_experiment
from workbench.preflight.capacity import Machine, plan

GIB = 2**30
ROOMY = Machine(cpus=9, gpus=0, memory=64 * GIB, gpu_memory=0)


def changed(**changes: Any) -> Any:
    return override(digits(), {k.replace("__", "."): v for k, v in changes.items()})


def test_the_net_and_its_optimizer_are_counted_as_they_are() -> None:
    found = plan(digits(), ROOMY)
    spec = TensorSpec(kind="image", shape=(1, 8, 8), dtype="uint8")
    net = nets.build(digits().net, spec, 10)
    fit = Fit(net, digits().training, steps_per_epoch=1)
    images = torch.randint(0, 17, (64, 1, 8, 8), dtype=torch.uint8)
    fit.train_epoch([Batch(images, torch.randint(0, 10, (64,)))])
    states = [
        value.numel()
        for state in fit.optimizer.state.values()
        for value in state.values()
        if torch.is_tensor(value) and value.numel() > 1
    ]
    count = sum(p.numel() for p in net.parameters())
    assert found.parameters == count and found.weights_bytes == 4 * count
    assert found.optimizer_bytes is not None
    # Biases of one value look like counters above
    assert found.optimizer_bytes == pytest.approx(4 * (sum(states) + 2 * count), rel=0.01)
    assert (found.rows, found.row_bytes, found.data_bytes) == (1797, 64, 1797 * 64)
    assert not found.problems


def test_the_plan_says_how_much_of_shared_data_a_machine_keeps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shared = override(digits(), {"cluster.storage": "/shared"})
    monkeypatch.setenv("WORKBENCH_CACHE_GB", "1")
    assert "cache of each machine takes all of it (WORKBENCH_CACHE_GB)" in plan(shared, ROOMY).data
    monkeypatch.setenv("WORKBENCH_CACHE_GB", "0.00001")
    assert "takes up to 9.77 KiB (WORKBENCH_CACHE_GB)" in plan(shared, ROOMY).data


def test_data_lies_whole_on_a_gpu_that_has_room_for_it() -> None:
    assert plan(digits(), ROOMY).data.endswith("mapped by all workers of a machine")
    on_gpu = changed(cluster__gpus_per_worker=1)
    large = dataclasses.replace(ROOMY, gpus=1, gpu_memory=GIB)
    assert plan(on_gpu, large).data.endswith("whole on each GPU")
    small = dataclasses.replace(large, gpu_memory=100_000)
    assert plan(on_gpu, small).data.endswith("copied to each GPU batch by batch")


@pytest.mark.parametrize(
    ("machine", "changes", "fits"),
    [
        (ROOMY, {}, 8),
        (ROOMY, {"cluster__cpus_per_worker": 2}, 4),
        (ROOMY, {"cluster__num_workers": 3}, 2),
        (ROOMY, {"sweep__max_concurrent": 5}, 5),
        (dataclasses.replace(ROOMY, memory=6 * GIB), {}, 5),
        (dataclasses.replace(ROOMY, gpus=1), {"cluster__gpus_per_worker": 0.5}, 2),
    ],
    ids=["cpus", "two each", "three workers", "asked", "memory", "half a gpu"],
)
def test_trials_at_once(machine: Machine, changes: dict[str, Any], fits: int) -> None:
    machine = dataclasses.replace(machine, gpu_memory=8 * GIB)
    assert plan(changed(**changes), machine).trials_at_once == fits


@pytest.mark.parametrize(
    ("machine", "changes", "said"),
    [
        (ROOMY, {"cluster__num_workers": 9}, "needs 9.1 CPU .* Lower cluster.num_workers"),
        (ROOMY, {"cluster__gpus_per_worker": 1}, "needs 1 GPU"),
        (dataclasses.replace(ROOMY, memory=GIB), {}, "of memory and 1 GiB are free. Lower"),
        (ROOMY, {"cluster__executor_memory": "100m"}, "Raise cluster.executor_memory"),
        (
            dataclasses.replace(ROOMY, gpus=1, gpu_memory=2**20),
            {"cluster__gpus_per_worker": 1},
            "GPU memory and the GPU has 1 MiB. Lower training.batch_size",
        ),
    ],
)
def test_what_will_not_fit_is_named_with_the_way_out(
    machine: Machine, changes: dict[str, Any], said: str
) -> None:
    problems = plan(changed(**changes), machine).problems
    assert any(re.search(said, problem) for problem in problems), problems


def test_a_sweep_is_reckoned_with_its_largest_batch() -> None:
    small, large = plan(digits(batch_size=32), ROOMY), plan(digits_sweep(), ROOMY)
    assert large.batch_size == 64
    assert small.activations_bytes and large.activations_bytes == 2 * small.activations_bytes


def test_idx_files_are_known_by_their_headers(tmp_path: Path) -> None:
    root = idx_folder(tmp_path / "idx")
    found = plan(changed(data__source={"kind": "idx", "path": str(root)}, net__blocks=[]), ROOMY)
    assert (found.rows, found.row_bytes) == (8, 6)


def test_pictures_are_counted(tmp_path: Path) -> None:
    from PIL import Image

    for name in "abc":
        (tmp_path / name).mkdir()
        Image.fromarray(np.zeros((9, 9), np.uint8)).save(tmp_path / name / "x.png")
    source = {"kind": "image_folder", "path": str(tmp_path), "shape": [3, 16, 16]}
    found = plan(changed(data__source=source), ROOMY)
    assert (found.rows, found.row_bytes) == (3, 768)


def test_what_only_reading_tells_is_said_to_be_unknown() -> None:
    found = plan(load_experiment("etth1"), ROOMY)
    assert found.rows is None and found.parameters is None
    assert "workbench data describe" in found.notes[0]


def test_a_cluster_that_is_joined_is_known_by_its_settings() -> None:
    spark = {"cluster__topology": "spark", "cluster__spark__master": "yarn"}
    assert plan(changed(**spark)).trials_at_once is None
    sized = changed(**spark, cluster__spark__cpus_per_node=4, cluster__spark__max_nodes=3)
    assert plan(sized).trials_at_once == 11


def test_the_command_starts_nothing_and_exits_with_1_when_it_will_not_fit() -> None:
    reply = subprocess.run(
        [
            sys.executable,
            "-X",
            "importtime",
            "-m",
            "workbench",
            "plan",
            "digits_cnn",
            "--json",
            "--set",
            "cluster.num_workers=4000",
        ],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert reply.returncode == 1, reply.stderr[-2000:]
    told = json.loads(reply.stdout)
    assert told["rows"] == 1797 and "4000 workers" in told["problems"][0]
    assert "| ray._raylet\n" not in reply.stderr and "| pyspark.sql\n" not in reply.stderr
