"""Convolutional and recurrent nets and autoencoders as Spark ML's estimators.

CNNClassifier(layers=[32, 64, 10], featuresCol="image").fit(train).transform(test)
"""

from __future__ import annotations

from workbench.ml.estimators import (
    Autoencoder,
    CNNClassifier,
    CNNRegressor,
    RNNClassifier,
    RNNRegressor,
)
from workbench.ml.models import AutoencoderModel, ClassificationModel, RegressionModel

__all__ = [
    "Autoencoder",
    "AutoencoderModel",
    "CNNClassifier",
    "CNNRegressor",
    "ClassificationModel",
    "RNNClassifier",
    "RNNRegressor",
    "RegressionModel",
]
