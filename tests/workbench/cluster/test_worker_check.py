"""Spark's Python workers without the packages: a sentence that names PYSPARK_PYTHON, and no traceback."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

import pytest

from tests.workbench.cluster.processes import plain_environment

PROGRAM = """
import sys
import nets
from workbench.cluster import ClusterConfig, find_java, get_session
from workbench.errors import ClusterError
from workbench.scoring import score
spec = nets.TensorSpec(kind="vector", shape=(2,))
nets.save(nets.build(nets.CNNConfig(blocks=(), dense=(4,)), spec, 2), "net", labels=["a", "b"])
find_java().use()
from pyspark.sql import SparkSession
spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
frame = spark.createDataFrame([([1.0, 2.0],)], "features array<double>")
for call in (lambda: get_session(spark, ClusterConfig()), lambda: score(frame, "net")):
    try:
        call()
        print("no error")
    except ClusterError as error:
        print(error)
"""


@pytest.mark.cluster
@pytest.mark.slow
def test_workers_without_the_packages_are_refused(tmp_path: Path) -> None:
    venv.create(tmp_path / "bare", with_pip=False)
    bare = tmp_path / "bare" / "bin" / "python"
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=tmp_path,  # the checkout would be found from its own folder
        env=plain_environment(
            PYSPARK_PYTHON=str(bare),
            PYSPARK_DRIVER_PYTHON=sys.executable,
            WORKBENCH_HOME=str(tmp_path / "home"),
        ),
    )
    assert done.returncode == 0, done.stderr[-3000:]
    sentence = (
        f"Spark's Python workers cannot load the workbench: {bare} has no nets, pyarrow, torch, "
        f"workbench. Start the Spark session with PYSPARK_PYTHON={sys.executable}, or another Python "
        "that has the same packages."
    )
    assert done.stdout.splitlines()[-2:] == [sentence, sentence]
