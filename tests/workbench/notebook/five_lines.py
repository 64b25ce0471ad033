"""A person's program on a person's Spark session; run as `python -m tests.workbench.notebook.five_lines MASTER FOLDER`."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from sklearn.datasets import load_digits

import workbench
from workbench.cluster import find_java
from workbench.data import DataConfig
from workbench.spark_session import is_connect

BATCH = "spark.sql.execution.arrow.maxRecordsPerBatch"
"""The setting that the workbench changes while it works."""


def start(master: str, folder: str) -> SparkSession:
    if master.startswith("sc:"):
        remote: SparkSession = SparkSession.builder.remote(master).getOrCreate()
        return remote
    find_java().use()
    settings = {
        "spark.ui.enabled": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.executor.memory": "600m",
        "spark.sql.shuffle.partitions": "4",
        "spark.workbench.exchange": folder,
    }
    builder: Any = SparkSession.builder.master(master).appName("theirs")
    for name, value in settings.items():
        builder = builder.config(name, value)
    spark: SparkSession = builder.getOrCreate()
    spark.sparkContext.setLogLevel("FATAL")
    return spark


def make_frame(spark: SparkSession) -> DataFrame:
    digits = load_digits()
    rows = [(x.tolist(), int(y)) for x, y in zip(digits.data[:600], digits.target, strict=False)]
    frame = spark.createDataFrame(rows, "pixels array<double>, digit long").cache()
    frame.createOrReplaceTempView("mine")
    frame.count()
    return frame


def state_of(spark: SparkSession) -> dict[str, Any]:
    tables = [table.name for table in spark.catalog.listTables()]
    if is_connect(spark):
        return {"tables": tables, "batch": spark.conf.get(BATCH, None)}
    java: Any = spark.sparkContext._jsc  # PySpark does not list what is persisted
    return {
        "tables": tables,
        "sql": {row["key"]: row["value"] for row in spark.sql("SET").collect()},
        "conf": dict(spark.sparkContext.getConf().getAll()),
        "persisted": sorted(java.getPersistentRDDs().keySet().toArray()),
    }


def main(master: str, folder: str) -> None:
    spark = start(master, folder)
    df = make_frame(spark)
    before = state_of(spark)

    wb = workbench.open(spark=spark)
    result = wb.train(df, {"training.epochs": 4}, label="digit", shape=[1, 8, 8])
    scored = result.predict(df)
    source = workbench.DataFrameSource(df, label="digit", shape=[1, 8, 8])
    again = replace(result.experiment, data=DataConfig(source=source))
    swept = wb.sweep(again, {"training.epochs": 1}, trials=1, space={"training.seed": [1]})
    wb.close()

    assert wb.spark is spark
    right = scored.where("prediction = digit").count()
    assert right > 0.8 * 600, right
    here = result.predict(df.toPandas())
    assert (here["prediction"].astype(int) == df.toPandas()["digit"]).sum() == right
    assert result.experiment.net.kind == "cnn"
    assert len(swept.trials) == 1 and swept.best_run.experiment.data.source == source
    assert state_of(spark) == before
    import ray

    assert not ray.is_initialized()
    assert df.count() == 600  # the session still works
    print("all right")


if __name__ == "__main__":
    main(*sys.argv[1:])
