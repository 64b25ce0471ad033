"""A process that records runs, several at a time: python -m tests.tracking.writer RUNS STEPS URI...

It says "ready", and begins when it is told a line.
"""

from __future__ import annotations

import sys
import threading

from tracking import MlflowRecorder

METRICS = ("validation/loss", "validation/accuracy", "health/conv1/dead")


def value(run: int, metric: str, step: int) -> float:
    """What is recorded: another number for every run, metric and step."""
    return run * 1000 + METRICS.index(metric) * 100 + step / 8


def write(recorder: MlflowRecorder, writer: str, run: int, steps: int) -> None:
    params = {"writer": writer, "run": run}
    run_id = recorder.start("many", f"{writer}-{run}", params=params, tags={})
    for step in range(1, steps + 1):
        recorder.metrics(run_id, {name: value(run, name, step) for name in METRICS}, step)
        if step % 20 == 0:
            recorder.flush()
    recorder.finish(run_id)


def main(runs: str, steps: str, *uris: str) -> None:
    recorders = [MlflowRecorder(uri, interval_s=0.01) for uri in uris]
    print("ready", flush=True)
    writer = sys.stdin.readline().strip()
    threads = [
        threading.Thread(target=write, args=(recorder, writer, run, int(steps)))
        for recorder in recorders
        for run in range(1, int(runs) + 1)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for recorder in recorders:
        recorder.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
