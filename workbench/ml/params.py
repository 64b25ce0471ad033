"""Parameters of the estimators and models, with Spark ML's names where it has them."""

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
    """A parameter, to be assigned to a name in a class's body."""
    return Param(spark_private.no_owner(), name, doc, typeConverter=converter)


def _setter(name: str) -> Callable[[Any, Any], Any]:
    return lambda self, value: self.setParams(**{name: value})


def _getter(name: str) -> Callable[[Any], Any]:
    return lambda self: self.getOrDefault(name)


class Keywords(Params):
    """Parameters as keyword arguments, of the constructor and of `setParams`."""

    DEFAULTS: ClassVar[dict[str, Any]] = {}
    """Default values; those of subclasses take precedence."""

    def __init__(self, **params: Any) -> None:
        super().__init__()
        for cls in reversed(type(self).__mro__):
            self._setDefault(**cls.__dict__.get("DEFAULTS", {}))
        self.setParams(**params)

    def __init_subclass__(cls) -> None:
        """Add a setter and a getter for each parameter, as in Spark ML's own classes."""
        super().__init_subclass__()
        for name in [n for n in dir(cls) if isinstance(getattr(cls, n, None), Param)]:
            title = name[0].upper() + name[1:]
            for verb, method in (("set", _setter(name)), ("get", _getter(name))):
                if not hasattr(cls, verb + title):
                    setattr(cls, verb + title, method)

    def setParams(self, **params: Any) -> Any:
        """Set several parameters; None changes nothing.

        Raises:
            ConfigError: a parameter does not exist, or a value has the wrong type.
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
    """Parameters that all models have."""

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
    """More parameters of models for classes."""

    predictedLabelCol = param(
        "predictedLabelCol", "column for the class's name", TypeConverters.toString
    )

    DEFAULTS: ClassVar[dict[str, Any]] = {
        "probabilityCol": "probability",
        "rawPredictionCol": "rawPrediction",
        "predictedLabelCol": "predictedLabel",
    }


class CodeParams(ScoringParams):
    """More parameters of autoencoders."""

    codeCol = param("codeCol", "column for the code of a sample, a vector", TypeConverters.toString)
    errorCol = param(
        "errorCol",
        "column for the mean squared difference of the prepared sample and its reconstruction",
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
    """Parameters that all estimators have."""

    layers = param(
        "layers",
        "convolution: channels of the blocks; recurrent: units of the layers; either may end with the "
        "number of classes (values), which is not an extra layer; autoencoder: widths of the hidden "
        "layers, then the size of the code. Not set: as the recipe for the data",
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
        "share of the rows that is held out to find the best epoch; not beside validationIndicatorCol",
        TypeConverters.toFloat,
    )
    keyCol = param(
        "keyCol",
        "column that identifies rows and decides which are held out; not set: a hash of the row",
        TypeConverters.toString,
    )
    experiment = param(
        "experiment",
        "name of the MLflow experiment of the runs; not set: the name of the estimator's class",
        TypeConverters.toString,
    )
    settings = param(
        "settings",
        "any other setting by its path, such as {'net.batch_norm': False, 'cluster.num_workers': 2}",
    )

    # What is not here and not set (maxIter, batchSize, learningRate, optimizer, dropout, layers, ...) is
    # as the recipe for the data says: workbench.experiments.recipes.
    DEFAULTS: ClassVar[dict[str, Any]] = {
        "seed": 0,
        "activation": "relu",
        "preparation": "standardize",
        "validationFraction": 0.1,
        "settings": {},
    }


class LabelParams(TrainingParams, HasLabelCol):
    """More parameters of estimators that learn a label."""

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
    maxLength = param(
        "maxLength", "tokens of a text that are used: the first ones", TypeConverters.toInt
    )
    vocabularySize = param(
        "vocabularySize",
        "largest number of ids: padding, unknown and the most frequent tokens of the training rows",
        TypeConverters.toInt,
    )
    embedding = param("embedding", "size of a token's embedding", TypeConverters.toInt)

    DEFAULTS: ClassVar[dict[str, Any]] = {
        "tokenizer": "words",
        "lowercase": True,
        "maxLength": 64,
        "vocabularySize": 20_000,
    }


class ConvolutionParams(TextParams):
    """Parameters of the convolutional estimators."""


class RecurrentParams(TextParams):
    """More parameters of the recurrent estimators."""

    cell = param("cell", "rnn, lstm or gru", TypeConverters.toString)
    bidirectional = param(
        "bidirectional", "read the sequence from both ends", TypeConverters.toBoolean
    )
    summary = param(
        "summary",
        "what the sequence is reduced to: last, mean, max or mean_max of the states",
        TypeConverters.toString,
    )

    DEFAULTS: ClassVar[dict[str, Any]] = {
        "activation": "tanh",
    }
