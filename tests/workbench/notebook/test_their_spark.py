"""The same five lines on a person's own Spark session: what comes out, and that the session is as it was."""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from nets.errors import ConfigError
from tests.workbench.cluster.processes import StandaloneSpark, plain_environment
from workbench import open as open_workbench
from workbench.errors import ClusterError
from workbench.notebook.asked import find_experiment

ROOT = Path(__file__).parents[3]


def run_program(
    master: str, folder: Path, python: str = sys.executable
) -> subprocess.CompletedProcess[str]:
    """Run `five_lines.py`, with `python` in Spark's workers."""
    environment = plain_environment(
        PYSPARK_PYTHON=python,
        PYSPARK_DRIVER_PYTHON=sys.executable,
        SPARK_WORKER_DIR=str(folder / "work"),
        WORKBENCH_HOME=str(folder / "home"),
    )
    return subprocess.run(
        [sys.executable, "-m", "tests.workbench.notebook.five_lines", master, str(folder)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )


@pytest.mark.cluster
@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("master", ["local[2]", "local-cluster[2,1,600]", "standalone"])
def test_five_lines_leave_the_session_as_it_was(master: str, tmp_path: Path) -> None:
    with ExitStack() as stack:
        if master == "standalone":
            master = stack.enter_context(StandaloneSpark(tmp_path / "spark")).master
        done = run_program(master, tmp_path)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    assert done.stdout.strip().endswith("all right")
    assert "epoch 4/4" in done.stderr


@pytest.mark.cluster
@pytest.mark.long
@pytest.mark.timeout(900)
def test_workers_without_the_packages_are_refused(tmp_path: Path) -> None:
    bare = str(Path(sys.base_prefix) / "bin" / Path(sys.executable).resolve().name)
    done = run_program("local[1]", tmp_path, python=bare)
    assert done.returncode != 0
    assert "Spark's Python workers cannot load the workbench: ModuleNotFoundError" in done.stderr
    assert f"PYSPARK_PYTHON={sys.executable}" in done.stderr


def test_a_connect_session_is_refused() -> None:
    class SparkSession:
        """Where Connect's class lies; it needs grpcio, which nothing here installs."""

    SparkSession.__module__ = "pyspark.sql.connect.session"
    theirs: Any = SparkSession()
    with pytest.raises(ClusterError, match=r"no SparkContext.*Parquet"):
        open_workbench(spark=theirs)


def test_what_is_no_experiment_is_named() -> None:
    what: Any = 3
    with pytest.raises(ConfigError, match=r"a Spark DataFrame, got int"):
        find_experiment(what)
