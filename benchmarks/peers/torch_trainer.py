"""Seconds of a plain TorchTrainer.fit(), for a loop that reports once: python benchmarks/peers/torch_trainer.py 2"""

from __future__ import annotations

import sys
import tempfile
import time

import ray
import ray.train
from ray.train.torch import TorchTrainer


def loop() -> None:
    ray.train.report({"loss": 0.0})


def main() -> None:
    ray.init(address="local", num_cpus=4, log_to_driver=False, logging_level="ERROR")
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(2):  # the second may find warm processes
            began = time.perf_counter()
            TorchTrainer(
                loop,
                scaling_config=ray.train.ScalingConfig(num_workers=int(sys.argv[1])),
                run_config=ray.train.RunConfig(storage_path=folder),
            ).fit()
            print(time.perf_counter() - began, flush=True)


if __name__ == "__main__":
    main()
