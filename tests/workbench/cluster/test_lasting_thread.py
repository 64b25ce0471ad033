"""What the lasting thread calls does not end with the thread that asked for it."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest

from workbench.cluster.lasting_thread import call_in_lasting_thread

T = TypeVar("T")


def from_a_thread(function: Callable[[], T]) -> T:
    """Ask from a thread that ends at once."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(call_in_lasting_thread, function).result()


def test_the_thread_survives_its_callers_and_serves_all_of_them() -> None:
    first, second = from_a_thread(threading.current_thread), from_a_thread(threading.current_thread)
    assert first is second and first.is_alive() and first.daemon


def test_the_main_thread_calls_by_itself() -> None:
    assert call_in_lasting_thread(threading.current_thread) is threading.main_thread()


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt, SystemExit])
def test_what_the_function_raises_reaches_the_caller_and_the_thread_goes_on(
    kind: type[BaseException],
) -> None:
    def fail() -> None:
        raise kind("on purpose")

    def call() -> str:
        with pytest.raises(kind, match="on purpose"):
            call_in_lasting_thread(fail)
        return call_in_lasting_thread(lambda: "goes on")

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(call).result(timeout=30) == "goes on"


def _ask_in_a_fork() -> None:
    alive = from_a_thread(lambda: threading.current_thread().is_alive())
    sys.exit(0 if alive else 1)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_process_gets_a_thread_of_its_own() -> None:
    from_a_thread(lambda: None)
    child = multiprocessing.get_context("fork").Process(target=_ask_in_a_fork)
    child.start()
    child.join(timeout=30)
    if child.exitcode is None:
        child.kill()
    assert child.exitcode == 0


_CHILD = """
import subprocess, sys, threading
from ray._private.utils import set_kill_on_parent_death_linux
from workbench.cluster.lasting_thread import call_in_lasting_thread

def start():
    return subprocess.Popen(["sleep", "30"], preexec_fn=set_kill_on_parent_death_linux)

children = []
ask = threading.Thread(target=lambda: children.append(call_in_lasting_thread(start)))
ask.start(); ask.join()
try:
    print("ended with", children[0].wait(timeout=1))
except subprocess.TimeoutExpired:
    print("lives", flush=True)
    children[0].kill()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends processes with a thread")
def test_a_process_started_as_ray_starts_its_own_survives_the_asking_thread() -> None:
    reply = subprocess.run(
        [sys.executable, "-c", _CHILD], capture_output=True, text=True, timeout=60
    )
    assert reply.stdout == "lives\n", reply.stdout + reply.stderr
