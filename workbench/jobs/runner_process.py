"""The process that jobs run in, as the bench's server sees it: started, watched, replaced."""

from __future__ import annotations

import os
import signal
import time
import traceback
from pathlib import Path
from typing import Any

import psutil
import ray
from ray.exceptions import RayActorError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from workbench.jobs.runner import Runner

_MAX_JOBS, _MAX_GROWTH_BYTES = 50, 2**30
"""After so many jobs, or grown by so much, the process is replaced: libraries leak memory."""


class RunnerProcess:
    """One process at a time with a `Runner` in it.

    Args:
        arguments: of `Runner`, up to `log`.
    """

    def __init__(self, *arguments: Any) -> None:
        self._arguments = arguments
        self._start_bytes = 0
        self.begin()

    def begin(self) -> None:
        """Start a process and return while it still loads its libraries."""
        # On this machine: jobs use its files and its tracking store.
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        actor: Any = ray.remote(Runner).options(
            num_cpus=0, max_restarts=0, scheduling_strategy=here
        )
        self._actor = actor.remote(*self._arguments, time.time_ns())
        self._num_jobs = 0
        self.pid = 0
        """0 until it is ready."""

    def wait_until_ready(self) -> None:
        self.pid = ray.get(self._actor.ready.remote())
        self._start_bytes = memory_bytes(self.pid)

    def run(self, job_folder: Path) -> dict[str, Any]:
        """Run a job and return how it ended.

        Raises:
            RayActorError: the process died; another has begun.
        """
        try:
            end: dict[str, Any] = ray.get(self._actor.run.remote(str(job_folder)))
            return end
        except RayActorError:
            self.begin()
            raise

    def interrupt(self, *, kill: bool) -> None:
        """Send the process Ctrl-C, or kill it."""
        if self.pid:
            os.kill(self.pid, signal.SIGKILL if kill else signal.SIGINT)

    def is_old(self) -> bool:
        """Whether it is not ready or has died, or files that it loaded have changed."""
        try:
            return self.pid == 0 or bool(ray.get(self._actor.find_changed_files.remote()))
        except RayActorError:
            return True

    def replace(self) -> None:
        """Kill the process and wait for another."""
        ray.kill(self._actor)
        self.begin()
        self.wait_until_ready()

    def renew(self) -> None:
        """After a job: wait for the new process if the old one died, replace one that has grown."""
        self._num_jobs += 1
        try:
            if self.pid == 0:
                self.wait_until_ready()
            elif self._num_jobs >= _MAX_JOBS or self._growth_bytes() > _MAX_GROWTH_BYTES:
                self.replace()
        except Exception:  # the next job tries again, and its client sees the error
            self.pid = 0
            traceback.print_exc()

    def _growth_bytes(self) -> int:
        return memory_bytes(self.pid) - self._start_bytes


def memory_bytes(pid: int) -> int:
    """Resident memory of a process; 0 when it does not exist."""
    try:
        return int(psutil.Process(pid).memory_info().rss) if pid else 0
    except psutil.NoSuchProcess:
        return 0
