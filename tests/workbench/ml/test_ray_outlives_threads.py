"""Fits of a program in a plain Spark session, after the end of threads and of Ray itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

_START = """
import os, sys, time
import psutil
from workbench.cluster.java import find_java
find_java().use()
os.environ["PYSPARK_PYTHON"] = sys.executable
from pyspark.sql import SparkSession
spark = (
    SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
    .config("spark.driver.host", "127.0.0.1").config("spark.sql.shuffle.partitions", 2).getOrCreate()
)
from pyspark.ml import Pipeline
from pyspark.ml.evaluation import MulticlassClassificationEvaluator
from pyspark.ml.feature import VectorAssembler
from pyspark.ml.tuning import CrossValidator, ParamGridBuilder
from workbench.ml import CNNClassifier

rows = [(float(i % 2), float(i % 3), -float(i % 2), float(i % 5), i % 2) for i in range(60)]
df = spark.createDataFrame(rows, "a double, b double, c double, d double, label int")
cnn = CNNClassifier(layers=[2], denseLayers=[], shape=[1, 2, 2], maxIter=1)
pipeline = Pipeline(stages=[VectorAssembler(inputCols=list("abcd"), outputCol="features"), cnn])

def find(name):
    return next(p for p in psutil.Process().children(recursive=True) if p.name() == name)
"""

_CROSS_VALIDATION = (
    _START
    + """
CrossValidator(
    estimator=pipeline, estimatorParamMaps=ParamGridBuilder().build(),
    evaluator=MulticlassClassificationEvaluator(), numFolds=2,
).fit(df)
gcs = find("gcs_server")
time.sleep(1)  # its thread has ended: Linux would have ended it by now
assert gcs.is_running() and gcs.status() != psutil.STATUS_ZOMBIE, gcs.status()
pipeline.fit(df)
assert find("gcs_server") == gcs
print("fitted again")
"""
)

_KILLED = (
    _START
    + """
import warnings
pipeline.fit(df)
for name in ("gcs_server", "raylet"):
    process = find(name)
    process.kill()
    with warnings.catch_warnings(record=True) as notes:
        warnings.simplefilter("always")
        pipeline.fit(df)
    print(f"{name} killed:", *[note.message for note in notes if "Ray" in str(note.message)])
    assert find(name) != process

from pyspark.sql.functions import udf
from workbench.errors import ClusterError
victim = find("gcs_server").pid

@udf("double")
def kill_ray(value):
    if psutil.pid_exists(victim):
        os.kill(victim, 9)
    return value

try:
    pipeline.fit(df.withColumn("a", kill_ray("a")))  # Ray ends while Spark reads the rows
except ClusterError as error:
    print("while preparing:", error)
pipeline.fit(df)
print("fitted again")
"""
)


def run(program: str, folder: Path) -> str:
    reply = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=400,
        cwd=folder,
        env={**os.environ, "WORKBENCH_HOME": str(folder / "home")},
    )
    assert reply.returncode == 0, reply.stdout + reply.stderr
    return reply.stdout


@pytest.mark.cluster
@pytest.mark.slow
@pytest.mark.long
def test_ray_outlives_the_threads_of_a_cross_validation(tmp_path: Path) -> None:
    assert run(_CROSS_VALIDATION, tmp_path).endswith("fitted again\n")


@pytest.mark.cluster
@pytest.mark.slow
@pytest.mark.long
def test_a_ray_that_is_killed_between_fits_or_in_one_is_started_again(tmp_path: Path) -> None:
    out = run(_KILLED, tmp_path)
    lines = {line.partition(": ")[0]: line for line in out.splitlines()}
    for name in ("gcs_server", "raylet"):
        line = lines[f"{name} killed"]
        assert "has ended unexpectedly (killed, or out of memory). Ray is started again." in line
    preparing = lines["while preparing"]
    assert preparing.startswith("while preparing: Ray at ")
    assert (
        "has ended unexpectedly (killed, or out of memory). Start the training again." in preparing
    )
    assert out.endswith("fitted again\n")
