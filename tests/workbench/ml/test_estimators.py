"""The estimators in the shared session: fitted, in a pipeline, cross-validated, saved and loaded."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nets.errors import ModelFileError
from tracking import Reader
from workbench.errors import DataError
from workbench.ml import (
    Autoencoder,
    AutoencoderModel,
    ClassificationModel,
    CNNClassifier,
    RegressionModel,
    RNNClassifier,
    RNNRegressor,
)

pytestmark = pytest.mark.cluster


def accuracy(predicted: Any) -> float:
    from pyspark.ml.evaluation import MulticlassClassificationEvaluator

    return float(MulticlassClassificationEvaluator(metricName="accuracy").evaluate(predicted))


@pytest.fixture(scope="module")
def model(digits: Any) -> ClassificationModel:
    estimator = CNNClassifier(
        layers=[16, 32, 10],
        activation="relu",
        featuresCol="image",
        labelCol="label",
        shape=[1, 8, 8],
        maxIter=4,
        learningRate=5e-3,
    )
    return estimator.fit(digits[0])


def test_the_tutorials_line(model: ClassificationModel, digits: Any) -> None:
    out = model.transform(digits[1])
    assert accuracy(out) > 0.9
    assert model.labels == tuple("0123456789") and model.numClasses == 10
    assert out.columns == [
        *("id", "image", "label", "parity"),
        *("rawPrediction", "probability", "prediction", "predictedLabel", "reason"),
    ]
    run = Reader().run(model.runId or "")
    assert (run.status, run.experiment) == ("FINISHED", "CNNClassifier")
    assert run.params["training.epochs"] == "4"
    assert model.metrics["validation/accuracy"] > 0.9
    assert sum(p.numel() for p in model.net().parameters()) > 1000


def test_a_model_saved_and_loaded_is_the_same(
    model: ClassificationModel, digits: Any, tmp_path: Path
) -> None:
    path = str(tmp_path / "saved")
    model.write().overwrite().save(path)
    model.write().overwrite().save(path)
    assert sorted(p.name for p in (tmp_path / "saved/net").iterdir() if p.name[0] != ".") == [
        "model.json",
        "model.safetensors",
    ]
    back = ClassificationModel.load(path)
    assert (back.uid, back.runId, back.labels) == (model.uid, model.runId, model.labels)
    assert back.getFeaturesCol() == "image"

    def probability(of: Any) -> Any:
        rows = of.transform(digits[1]).orderBy("id").collect()
        return [row["probability"].toArray() for row in rows]

    assert np.array_equal(probability(model), probability(back))
    with pytest.raises(ModelFileError, match="Load it as that class"):
        RegressionModel.load(path)


def test_rows_that_cannot_be_read(model: ClassificationModel, digits: Any) -> None:
    from pyspark.sql import functions as F

    broken = digits[1].limit(10).withColumn("image", F.when(F.col("id") % 2 == 0, F.col("image")))
    kept = model.transform(broken).collect()
    assert len(kept) == 10
    assert all((row["prediction"] is None) == (row["reason"] is not None) for row in kept)
    good = sum(row["prediction"] is not None for row in kept)
    assert 0 < good < 10
    skip = model.copy({model.handleInvalid: "skip"})
    assert skip.transform(broken).count() == good
    fail = model.copy({model.handleInvalid: "error"})
    with pytest.raises(Exception, match="A row cannot be read"):
        fail.transform(broken).count()


def test_text_in_a_pipeline(spark: Any, tmp_path: Path) -> None:
    from pyspark.ml import Pipeline, PipelineModel
    from pyspark.ml.feature import StringIndexer, Tokenizer

    draw = random.Random(0)
    rows = []
    for i in range(300):
        words = [
            draw.choice(["the", "film", "was", "a", "and", "it"]) for _ in range(draw.randint(2, 6))
        ]
        telling = (("bad", "awful"), ("good", "great"))[i % 2]
        words.insert(draw.randint(0, len(words)), draw.choice(telling))
        rows.append((i, " ".join(words), ("neg", "pos")[i % 2]))
    df = spark.createDataFrame(rows, "id int, text string, sentiment string")
    recurrent = RNNClassifier(
        layers=[16, 2],
        cell="gru",
        summary="max",
        featuresCol="tokens",
        maxIter=6,
        learningRate=2e-2,
        maxLength=8,
    )
    indexer = StringIndexer(inputCol="sentiment", outputCol="label")
    pipeline = Pipeline(stages=[indexer, Tokenizer(inputCol="text", outputCol="tokens"), recurrent])
    pipeline.write().overwrite().save(str(tmp_path / "pipeline"))
    again = Pipeline.load(str(tmp_path / "pipeline"))
    assert again.getStages()[2].getOrDefault("layers") == [16, 2]
    trained = again.fit(df)
    trained.write().overwrite().save(str(tmp_path / "model"))
    loaded = PipelineModel.load(str(tmp_path / "model"))
    assert accuracy(loaded.transform(df)) > 0.95
    stage = trained.stages[2]
    vocabulary = json.loads(stage.model.files["model.json"])["text"]["vocabulary"]
    assert {"good", "bad", "<unk>"} <= set(vocabulary)
    with pytest.raises(DataError, match="trained on lists of tokens"):
        stage.copy({stage.featuresCol: "text"}).transform(df)


def test_a_cross_validation_finds_the_better_setting(digits: Any) -> None:
    from pyspark.ml.evaluation import MulticlassClassificationEvaluator
    from pyspark.ml.tuning import CrossValidator, ParamGridBuilder

    estimator = CNNClassifier(layers=[8], featuresCol="image", shape=[1, 8, 8], maxIter=1)
    grid = ParamGridBuilder().addGrid(estimator.learningRate, [1e-6, 1e-2]).build()
    validator = CrossValidator(
        estimator=estimator,
        estimatorParamMaps=grid,
        evaluator=MulticlassClassificationEvaluator(metricName="accuracy"),
        numFolds=2,
        seed=1,
    )
    best = validator.fit(digits[0].where("id < 900"))
    assert best.avgMetrics[1] > best.avgMetrics[0] + 0.2
    assert best.bestModel.transform(digits[1]).where("reason is null").count() == digits[1].count()


def test_series_and_measured_values(spark: Any, tmp_path: Path) -> None:
    from pyspark.ml.evaluation import RegressionEvaluator

    draw = np.random.default_rng(0)
    series = draw.normal(size=(300, 6, 2))
    rows = [(x.tolist(), float(3 * x[:, 0].mean() + 1)) for x in series]
    df = spark.createDataFrame(rows, "series array<array<double>>, label double")
    made = RNNRegressor(
        layers=[16, 1],
        featuresCol="series",
        cell="gru",
        summary="mean",
        maxIter=8,
        learningRate=2e-2,
    ).fit(df)
    made.write().save(str(tmp_path / "model"))
    out = RegressionModel.load(str(tmp_path / "model")).transform(df)
    assert RegressionEvaluator(metricName="r2").evaluate(out) > 0.8


def test_an_autoencoder_gives_codes_and_errors(digits: Any, tmp_path: Path) -> None:
    made = Autoencoder(
        layers=[32, 8], featuresCol="image", shape=[1, 8, 8], maxIter=2, preparation="scale"
    ).fit(digits[0])
    made.write().save(str(tmp_path / "model"))
    out = AutoencoderModel.load(str(tmp_path / "model")).transform(digits[1])
    row = out.select("code", "error", "reconstruction").head()
    assert (row["code"].size, row["reconstruction"].size) == (8, 64)
    assert 0 < row["error"] < 0.2
