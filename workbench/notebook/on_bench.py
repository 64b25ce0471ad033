"""Trains and sweeps on the bench that is up."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.jobs import End, Request, find_bench_for
from workbench.jobs.request import Kind

if TYPE_CHECKING:
    from workbench.experiments.experiment import Experiment
    from workbench.progress import Progress


def run_on_bench(kind: Kind, experiment: Experiment, progress: Progress) -> End | None:
    """Put a job into the bench's queue and follow it; None without a bench, and where a description
    would have to wait.

    Raises:
        JobError: the job failed. KeyboardInterrupt: it was stopped before it had a result.
    """
    if (bench := find_bench_for(kind, progress)) is None:
        return None
    place = {"cwd": str(Path.cwd()), "tracking_uri": os.environ.get("MLFLOW_TRACKING_URI")}
    request = Request.of(kind, experiment, **place)
    end = bench.run(request, progress)
    if end.result is None:
        raise KeyboardInterrupt
    return end
