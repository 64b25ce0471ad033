"""`score` over DataFrames, on a real Spark."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import nets
from tracking.models import save_model
from workbench.errors import DataError
from workbench.scoring import Outputs, score

pytestmark = pytest.mark.cluster


def logits(folder: Path, pictures: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        return nets.load(folder)(torch.from_numpy(pictures.copy())).numpy()


def test_every_form_of_a_picture_gives_the_same_vectors(
    spark: Any, picture_net: Path, pictures: np.ndarray
) -> None:
    from pyspark.ml.linalg import DenseVector, Vectors

    def png(picture: np.ndarray) -> bytes:
        buffer = io.BytesIO()
        Image.fromarray(picture[0], "L").save(buffer, "PNG")
        return buffer.getvalue()

    some = pictures[:40]
    rows = [
        (i, bytearray(p.tobytes()), bytearray(png(p)), p.ravel().tolist(), Vectors.dense(p.ravel()))
        for i, p in enumerate(some)
    ]
    df = spark.createDataFrame(rows, ["id", "raw", "png", "numbers", "vector"])
    expected = logits(picture_net, some)
    for column in ("raw", "png", "numbers", "vector"):
        found = score(df, picture_net, features=column).orderBy("id").collect()
        assert [row["id"] for row in found] == list(range(40))
        assert isinstance(found[0]["rawPrediction"], DenseVector)
        assert np.allclose([r["rawPrediction"].toArray() for r in found], expected, atol=1e-5)
        assert isinstance(found[0]["vector"], DenseVector)  # handed on as it came


def test_bad_rows_stay_with_their_reason_and_evaluators_work(
    spark: Any, picture_net: Path, pictures: np.ndarray
) -> None:
    from pyspark.ml.evaluation import MulticlassClassificationEvaluator

    best = logits(picture_net, pictures).argmax(1)
    rows = [(float(best[i]), bytearray(pictures[i].tobytes())) for i in range(50)]
    rows[7], rows[30] = (0.0, None), (1.0, bytearray(b"no picture"))
    df = spark.createDataFrame(rows, "label double, image binary")
    found = score(df, picture_net, features="image").cache()
    assert found.count() == 50
    bad = found.where("reason is not null")
    assert bad.count() == 2
    assert {row["prediction"] for row in bad.collect()} == {None}
    good = found.where("reason is null")
    for metric in ("accuracy", "f1"):
        assert MulticlassClassificationEvaluator(metricName=metric).evaluate(good) == 1
    assert MulticlassClassificationEvaluator(metricName="logLoss").evaluate(good) > 0
    found.unpersist()


def test_what_cannot_be_scored_is_refused_at_once(spark: Any, picture_net: Path) -> None:
    df = spark.createDataFrame([(bytearray(64), 1.0)], "image binary, prediction double")
    with pytest.raises(DataError, match="has a column 'prediction' already"):
        score(df, picture_net, features="image")
    kept = Outputs(prediction="mine", raw=None)
    added = score(df, picture_net, features="image", outputs=kept)
    assert "mine" in added.columns and "rawPrediction" not in added.columns
    with pytest.raises(DataError, match="must be a column of the DataFrame, got 'picture'"):
        score(df, picture_net, features="picture", outputs=kept)


def test_mlflows_udf_gives_the_same_answers(
    spark: Any, picture_net: Path, pictures: np.ndarray, tmp_path: Path
) -> None:
    import mlflow.pyfunc

    labels = list("0123456789")
    example = {"features": [pictures[0].tobytes(), pictures[1].tobytes()]}
    save_model(picture_net, tmp_path / "model", example=example, labels=labels)
    rows = [(i, bytearray(p.tobytes())) for i, p in enumerate(pictures[:100])]
    df = spark.createDataFrame(rows, "id int, features binary")
    result = "prediction long, label string, probabilities array<double>"
    udf = mlflow.pyfunc.spark_udf(
        spark, str(tmp_path / "model"), result_type=result, env_manager="local"
    )
    theirs = df.withColumn("out", udf("features")).orderBy("id").select("out.*").collect()
    ours = score(df, picture_net).orderBy("id").collect()
    probability = np.array([row["probability"].toArray() for row in ours])
    assert np.allclose([row["probabilities"] for row in theirs], probability, atol=1e-5)
    expected = torch.from_numpy(logits(picture_net, pictures[:100])).softmax(1)
    assert np.allclose(probability, expected, atol=1e-5)
    assert [row["prediction"] for row in theirs] == [row["prediction"] for row in ours]
    assert [row["label"] for row in theirs] == [row["predictedLabel"] for row in ours]


def test_mlflows_udf_reads_a_column_of_text(spark: Any, text_net: Path, tmp_path: Path) -> None:
    import mlflow.pyfunc

    example = {"text": ["a good film"]}
    save_model(text_net, tmp_path / "model", example=example, labels=["neg", "pos"])
    rows = [(0, "a good film"), (1, " "), (2, None), (3, "bad")]
    df = spark.createDataFrame(rows, "id int, text string")
    result = "prediction double, label string, probabilities array<double>"
    udf = mlflow.pyfunc.spark_udf(
        spark, str(tmp_path / "model"), result_type=result, env_manager="local"
    )
    theirs = df.withColumn("out", udf("text")).orderBy("id").select("out.*").collect()
    ours = score(df, text_net, features="text").orderBy("id").collect()
    assert [row["prediction"] for row in theirs] == [row["prediction"] for row in ours]
    assert [row["prediction"] is None for row in ours] == [False, True, True, False]
    assert [row["probabilities"] is None for row in theirs] == [False, True, True, False]
    assert theirs[0]["label"] == ours[0]["predictedLabel"]
