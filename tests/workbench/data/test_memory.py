"""More data than fits: prepared by a small executor, in a process with a Ray and a Spark of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.cluster
@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(600)
def test_data_five_times_larger_than_the_executors_heap_is_prepared(tmp_path: Path) -> None:
    """Spark starts no executor with less than 450 MB."""
    process = subprocess.run(
        [sys.executable, "-m", "benchmarks.data", "--heap", "512m", "--times", "5", "--no-keep"],
        cwd=Path(__file__).parents[3],
        env={**os.environ, "WORKBENCH_HOME": str(tmp_path), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=580,
    )
    assert process.returncode == 0, process.stderr[-3000:]
    size = re.search(r"([\d.]+) GiB of samples, heap of 512m", process.stdout)
    assert size is not None, process.stdout
    assert float(size[1]) >= 5 * 512 / 1024
    assert "17,833 rows" in process.stdout  # every picture, once
