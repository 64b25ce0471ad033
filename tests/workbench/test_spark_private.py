"""PySpark still has the private interfaces that `workbench.spark_private` uses."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from pyspark.ml.param import Param, Params

from workbench import spark_private

_SESSION = """
import os, sys, threading, time
from workbench.cluster.java import find_java
from workbench import spark_private

find_java().use()
os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
assert not spark_private.has_jvm()
from pyspark.sql import SparkSession
settings = {"ui.enabled": "false", "driver.host": "127.0.0.1", "driver.bindAddress": "127.0.0.1"}
builder = SparkSession.builder.master(sys.argv[1])
for name, value in {**settings, "executor.memory": "512m"}.items():
    builder = builder.config("spark." + name, value)
spark = builder.getOrCreate()
assert spark_private.has_jvm()
"""

_LOCAL = """
assert spark_private.get_java_property(spark, "java.specification.version") in ("1.8", "11", "17")
assert spark_private.count_executors(spark) == 0 and spark_private.list_executor_cores(spark) == []
assert not spark_private.request_executors(spark, 1)

def cancel():
    while not (stages := spark.sparkContext.statusTracker().getActiveStageIds()):
        time.sleep(0.05)
    spark_private.cancel_stage(spark, stages[0], "for this reason")

threading.Thread(target=cancel).start()
try:
    spark.sparkContext.parallelize([0], 1).map(lambda _: time.sleep(5)).collect()
except Exception as error:
    assert "for this reason" in str(error)
else:
    raise AssertionError("the stage was not cancelled")
spark.stop()
assert spark_private.has_jvm()  # this is why end_jvm is needed
spark_private.end_jvm()
assert not spark_private.has_jvm()
spark_private.end_jvm()
assert builder.getOrCreate().range(3).count() == 3
"""

_FILES = """
import tempfile
from pathlib import Path

with tempfile.TemporaryDirectory() as folder:
    for content in (b"first", b"second"):
        spark_private.write_file(spark, f"{folder}/below/file", content)
        assert (Path(folder) / "below/file").read_bytes() == content
"""

_EXECUTORS = """
until = time.monotonic() + 60
while time.monotonic() < until and not spark_private.count_executors(spark):
    time.sleep(0.1)
assert spark_private.count_executors(spark) == 1
assert spark_private.list_executor_cores(spark) == [2]
assert spark_private.request_executors(spark, 1)
"""


def run(master: str, script: str) -> None:
    """Run `script` in a process of its own: another test may have a session in this one."""
    command = [sys.executable, "-c", _SESSION + script, master]
    reply = subprocess.run(command, capture_output=True, text=True, timeout=250)
    assert reply.returncode == 0, reply.stderr[-3000:]


@pytest.mark.slow
def test_a_local_session() -> None:
    run("local[1]", _FILES + _LOCAL)


def test_parameters_of_spark_ml() -> None:
    class Scaler(Params):
        factor: Any = Param(spark_private.no_owner(), "factor", "multiplies")

    first, second = Scaler(), Scaler()
    assert first.factor.parent == first.uid
    spark_private.set_uid(second, first.uid)
    assert second.uid == second.factor.parent == first.uid


@pytest.mark.cluster
def test_a_session_with_an_executor() -> None:
    run("local-cluster[1,2,512]", _EXECUTORS)
