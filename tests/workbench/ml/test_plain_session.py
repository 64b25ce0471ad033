"""In a Spark session that knows nothing of Ray: fit starts Ray by itself, transform needs none."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import os, sys
import pyarrow as pa
from workbench.cluster.java import find_java
find_java().use()
os.environ["PYSPARK_PYTHON"] = sys.executable
from pyspark.sql import SparkSession
spark = (
    SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
    .config("spark.driver.host", "127.0.0.1").config("spark.sql.shuffle.partitions", 2).getOrCreate()
)
from sklearn.datasets import load_digits
rows = [(x.tolist(), int(y)) for x, y in zip(*load_digits(return_X_y=True))]
df = spark.createDataFrame(rows, "pixels array<double>, label int")
from workbench.ml import CNNClassifier
model = CNNClassifier(
    layers=[16, 10], featuresCol="pixels", shape=[1, 8, 8], maxIter=3, learningRate=5e-3
).fit(df)
right = model.transform(df).where("prediction = label").count()
assert right > 0.85 * len(rows), right

def loaded(batches):
    # Workers that have scored are idle now, and are given these tasks in turn.
    for batch in batches:
        names = sorted({"ray", "raydp", "mlflow", "torch"} & set(sys.modules))
        yield pa.RecordBatch.from_pydict({"names": [" ".join(names)]})

found = df.repartition(8).mapInArrow(loaded, "names string").collect()
print("workers have", *sorted({row["names"] for row in found} - {""}))
print("raydp" in sys.modules)
"""


@pytest.mark.cluster
@pytest.mark.slow
def test_fit_and_transform(tmp_path: Path) -> None:
    reply = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        timeout=280,
        cwd=tmp_path,
        env={**os.environ, "WORKBENCH_HOME": str(tmp_path / "home")},
    )
    assert reply.returncode == 0, reply.stderr
    assert reply.stdout.split("\n")[-3:-1] == ["workers have torch", "False"]
