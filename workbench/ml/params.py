"""The parameters of the estimators and their models, by Spark ML's names where it has one."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import Any, ClassVar

from pyspark.ml.param import Param, Params, TypeConverters
from pyspark.ml.param.shared import (
    HasBatchSize,
    HasFeaturesCol,
    HasHandleInvalid,
    HasLabelCol,
    HasLearningRate,
    HasMaxIter,
    HasPredictionCol,
    HasProbabilityCol,
    HasRawPredictionCol,
    HasSeed,
    HasValidationIndicatorCol,
    HasWeightCol,
)

from nets.errors import ConfigError
from workbench import spark_private


def param(name: str, doc: str, converter: Any = None) -> Any:
    """A parameter of the class it is assigned in."""
    return Param(spark_private.no_owner(), name, doc, typeConverter=converter)


def _setter(name: str) -> Callable[[Any, Any], Any]:
    return lambda self, value: self.setParams(**{name: value})


def _getter(name: str) -> Callable[[Any], Any]:
    return lambda self: self.getOrDefault(name)


class Keywords(Params):
    """Parameters as keyword arguments, of the constructor and of `setParams`."""

    DEFAULTS: ClassVar[dict[str, Any]] = {}
    """Values of a class's own parameters; those of subclasses win."""

    def __init__(self, **params: Any) -> None:
        super().__init__()
        for cls in reversed(type(self).__mro__):
            self._setDefault(**cls.__dict__.get("DEFAULTS", {}))
        self.setParams(**params)

    def __init_subclass__(cls) -> None:
        """A setter and a getter for each parameter, as Spark ML's own classes have them."""
        super().__init_subclass__()
        for name in [n for n in dir(cls) if isinstance(getattr(cls, n, None), Param)]:
            title = name[0].upper() + name[1:]
            for verb, method in (("set", _setter(name)), ("get", _getter(name))):
                if not hasattr(cls, verb + title):
                    setattr(cls, verb + title, method)

    def setParams(self, **params: Any) -> Any:
        """Set several at once; None leaves one as it is.

        Raises:
            ConfigError: there is no such parameter, or a value has the wrong type.
        """
        names = [p.name for p in self.params]
        for name, value in params.items():
            if name not in names:
                near = difflib.get_close_matches(name, names, n=1)
                hint = f" Did you mean {near[0]!r}?" if near else f" Known: {', '.join(names)}."
                raise ConfigError(f"{type(self).__name__} has no parameter {name!r}.{hint}")
            try:
                self._set(**{name: value})
            except TypeError as error:
                raise ConfigError(f"{type(self).__name__}: {error}") from None
        return self


class ScoringParams(Keywords, HasFeaturesCol, HasPredictionCol, HasHandleInvalid):
    """What a model needs to transform."""

    lengthCol = param(
        "lengthCol",
        "column of valid steps, where the features are padded already",
        TypeConverters.toString,
    )
    reasonCol = param(
        "reasonCol",
        "column for the reason why a row has no prediction; null where it has one",
        TypeConverters.toString,
    )

    DEFAULTS: ClassVar[dict[str, Any]] = {
        "featuresCol": "features",
        "predictionCol": "prediction",
        "reasonCol": "reason",
        # keep: rows that cannot be read stay, without a prediction; skip; error
        "handleInvalid": "keep",
    }


class ClassParams(ScoringParams, HasProbabilityCol, HasRawPredictionCol):
    """What a model that tells classes apart adds."""

    predictedLabelCol = param(
        "predictedLabelCol", "column for the class's name", TypeConverters.toString
    )

    DEFAULTS: ClassVar[dict[str, Any]] = {
        "probabilityCol": "probability",
        "rawPredictionCol": "rawPrediction",
        "predictedLabelCol": "predictedLabel",
    }


class CodeParams(ScoringParams):
    """What an autoencoder's model adds."""

    codeCol = param(
        "codeCol", "column for what a sample is squeezed into, a vector", TypeConverters.toString
    )
    errorCol = param(
        "errorCol",
        "column for the mean squared difference of the prepared sample and what is drawn of it",
        TypeConverters.toString,
    )

    DEFAULTS: ClassVar[dict[str, Any]] = {
        "codeCol": "code",
        "errorCol": "error",
        "predictionCol": "reconstruction",
    }


class TrainingParams(
    ScoringParams,
    HasMaxIter,
    HasBatchSize,
    HasLearningRate,
    HasSeed,
    HasWeightCol,
    HasValidationIndicatorCol,
):
    """What every estimator has."""

    layers = param(
        "layers",
        "convolution: channels of the blocks; recurrent: units of the layers; either may end with the "
        "number of classes (values), which is no layer of its own; autoencoder: widths of the hidden "
        "layers, then the size of the code",
        TypeConverters.toListInt,
    )
    denseLayers = param(
        "denseLayers", "widths of the hidden dense layers", TypeConverters.toListInt
    )
    activation = param("activation", "relu, tanh, elu, maxout, ...", TypeConverters.toString)
    dropout = param("dropout", "share of values set to zero in training", TypeConverters.toFloat)
    optimizer = param("optimizer", "sgd, adam, adamw, adagrad or rmsprop", TypeConverters.toString)
    preparation = param(
        "preparation",
        "fitted on the training rows: none, scale, center, standardize, pca or zca",
        TypeConverters.toString,
    )
    shape = param(
        "shape",
        "of a sample: channels, height, width of a picture; steps, channels of a series; the number of "
        "features of a vector. Not set: as the column says",
        TypeConverters.toListInt,
    )
    validationFraction = param(
        "validationFraction",
        "share of the rows held out to choose the best epoch by; not used with validationIndicatorCol",
        TypeConverters.toFloat,
    )
    keyCol = param(
        "keyCol",
        "column that names rows and decides which are held out; not set: a hash of the row",
        TypeConverters.toString,
    )
    experiment = param(
        "experiment",
        "name of the MLflow experiment it is recorded under; not set: the estimator's class",
        TypeConverters.toString,
    )
    settings = param(
        "settings",
        "any other setting by its path, as {'net.batch_norm': False, 'cluster.num_workers': 2}",
    )

    DEFAULTS: ClassVar[dict[str, Any]] = {
        "maxIter": 20,
        "batchSize": 64,
        "learningRate": 1e-3,
        "seed": 0,
        "activation": "relu",
        "dropout": 0.0,
        "optimizer": "adamw",
        "preparation": "standardize",
        "validationFraction": 0.1,
        "settings": {},
    }


class LabelParams(TrainingParams, HasLabelCol):
    """What estimators have that learn a label."""

    DEFAULTS: ClassVar[dict[str, Any]] = {
        "labelCol": "label",
    }


class TextParams(TrainingParams):
    """How a column of text becomes token ids."""

    tokenizer = param(
        "tokenizer",
        "of a column of strings: words, characters, or a HuggingFace tokenizer.json",
        TypeConverters.toString,
    )
    lowercase = param("lowercase", "put text in lower case first", TypeConverters.toBoolean)
    maxLength = param("maxLength", "tokens kept of a text, its first ones", TypeConverters.toInt)
    vocabularySize = param(
        "vocabularySize",
        "ids at most: padding, unknown and the most frequent tokens of the training rows",
        TypeConverters.toInt,
    )
    embedding = param("embedding", "numbers that stand for a token", TypeConverters.toInt)

    DEFAULTS: ClassVar[dict[str, Any]] = {
        "tokenizer": "words",
        "lowercase": True,
        "maxLength": 64,
        "vocabularySize": 20_000,
        "embedding": 64,
    }


class ConvolutionParams(TextParams):
    """What the convolutional estimators have of their own."""

    DEFAULTS: ClassVar[dict[str, Any]] = {
        "layers": [16, 32],
        "denseLayers": [64],
    }


class RecurrentParams(TextParams):
    """What the recurrent estimators have of their own."""

    cell = param("cell", "rnn, lstm or gru", TypeConverters.toString)
    bidirectional = param(
        "bidirectional", "read the sequence from both ends", TypeConverters.toBoolean
    )
    summary = param(
        "summary",
        "what the sequence is reduced to: last, mean or max of the states",
        TypeConverters.toString,
    )

    DEFAULTS: ClassVar[dict[str, Any]] = {
        "layers": [64],
        "denseLayers": [],
        "activation": "tanh",
        "cell": "lstm",
        "bidirectional": False,
        "summary": "last",
    }
