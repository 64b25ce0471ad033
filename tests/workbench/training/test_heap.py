"""Memory that is freed stays with a process that trains, and goes back when it rests."""

from __future__ import annotations

import json
import platform
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="what glibc does")

STEPS, MEGABYTES = 20, 40
PROGRAM = f"""
import json, resource, sys
import psutil
from workbench import heap

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def resident():
    return psutil.Process().memory_info().rss

if sys.argv[1] == "keep":
    heap.keep_freed_memory()
before = faults()
for _ in range({STEPS}):
    b"x" * ({MEGABYTES} * 2**20)  # not NumPy, which asks for huge pages: few faults either way
found = {{"faults": faults() - before, "kept": resident()}}
heap.release_freed_memory()
print(json.dumps(found | {{"left": resident()}}))
"""


def ran(what: str) -> dict[str, int]:
    command = [sys.executable, "-c", PROGRAM, what]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, int] = json.loads(done.stdout)
    return found


def test_memory_is_faulted_in_once_and_given_back_when_asked() -> None:
    plain, keeping = ran("nothing"), ran("keep")
    assert keeping["faults"] < plain["faults"] / 4
    assert keeping["kept"] - keeping["left"] > 0.9 * MEGABYTES * 2**20
