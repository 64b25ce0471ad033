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

def find_gcs():
    return next(p for p in psutil.Process().children(recursive=True) if p.name() == "gcs_server")
"""

_CROSS_VALIDATION = (
    _START
    + """
CrossValidator(
    estimator=pipeline, estimatorParamMaps=ParamGridBuilder().build(),
    evaluator=MulticlassClassificationEvaluator(), numFolds=2,
).fit(df)
gcs = find_gcs()
time.sleep(1)  # its thread has ended: Linux would have ended it by now
assert gcs.is_running() and gcs.status() != psutil.STATUS_ZOMBIE, gcs.status()
pipeline.fit(df)
assert find_gcs() == gcs
print("fitted again")
"""
)

_KILLED = (
    _START
    + """
import warnings
pipeline.fit(df)
gcs = find_gcs()
gcs.kill()
with warnings.catch_warnings(record=True) as notes:
    warnings.simplefilter("always")
    pipeline.fit(df)
print(*[note.message for note in notes if "Ray" in str(note.message)])
assert find_gcs() != gcs
print("fitted again")
"""
)


def run(program: str, folder: Path) -> str:
    reply = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=280,
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
def test_a_ray_that_is_killed_between_two_fits_is_started_again(tmp_path: Path) -> None:
    out = run(_KILLED, tmp_path)
    assert "has ended unexpectedly (killed, or out of memory). Ray is started again." in out
    assert out.endswith("fitted again\n")
