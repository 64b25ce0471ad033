"""What the estimators' parameters mean; no Spark."""

from __future__ import annotations

from typing import Any

import pytest

from nets.errors import ConfigError, ModelFileError
from workbench.experiments.recipes import Facts
from workbench.ml import (
    Autoencoder,
    ClassificationModel,
    CNNClassifier,
    CNNRegressor,
    RNNClassifier,
    RNNRegressor,
)


def net(estimator: Any, outputs: int) -> Any:
    return estimator._experiment(outputs, None).net


def test_layers_are_channels_and_may_end_with_the_number_of_classes() -> None:
    for layers in ([32, 64, 10], [32, 64]):
        made = net(CNNClassifier(layers=layers, activation="elu"), 10)
        assert [block.channels for block in made.blocks] == [32, 64]
        assert made.activation == "elu"
    # All of them are channels where the last is no number of classes.
    assert len(net(CNNClassifier(layers=[32, 64, 10]), 3).blocks) == 3
    assert len(net(CNNClassifier(layers=[10]), 10).blocks) == 1


def test_recurrent_layers_have_one_width() -> None:
    made = net(RNNClassifier(layers=[32, 32, 2], cell="gru", bidirectional=True), 2)
    assert (made.hidden, made.layers, made.cell, made.bidirectional) == (32, 2, "gru", True)
    with pytest.raises(ConfigError, match="must have the same number of units"):
        net(RNNClassifier(layers=[32, 16, 2]), 2)


def test_layers_of_vectors_are_dense() -> None:
    facts = Facts(kind="vector", shape=(4,), num_rows=500, labels=("a", "b", "c"))
    estimator = CNNClassifier(layers=[32, 16, 3], denseLayers=[8])
    made: Any = estimator._experiment(3, None, facts).net
    assert (made.blocks, made.dense) == ((), (32, 16, 8))


def test_the_last_width_of_an_autoencoder_is_its_code() -> None:
    made = net(Autoencoder(layers=[128, 32, 8]), 1)
    assert (made.hidden, made.code_size) == ((128, 32), 8)


@pytest.mark.parametrize("estimator", [CNNRegressor, RNNRegressor, Autoencoder])
def test_values_are_learnt_by_their_squared_error(estimator: Any) -> None:
    training = estimator()._experiment(1, None).training
    assert (training.loss, training.monitor, training.mode) == ("mse", "validation/loss", "min")


def test_parameters_become_settings_and_any_other_setting_can_be_made() -> None:
    estimator = CNNClassifier(
        maxIter=3,
        batchSize=32,
        learningRate=0.1,
        optimizer="sgd",
        seed=7,
        validationFraction=0.25,
        settings={"net.batch_norm": False, "training.clip_norm": 1.0},
    )
    made = estimator._experiment(10, None)
    training = made.training
    assert (training.epochs, training.batch_size, training.learning_rate) == (3, 32, 0.1)
    assert (training.optimizer, training.seed, training.clip_norm) == ("sgd", 7, 1.0)
    assert made.data.split.validation == 0.25 and made.data.split.test == 0
    assert not made.net.batch_norm  # type: ignore[union-attr]
    assert made.name == "CNNClassifier"


def test_parameters_are_copied_and_changed_as_sparks() -> None:
    estimator = RNNClassifier(maxIter=3)
    changed = estimator.copy({estimator.maxIter: 9})
    assert (estimator.getMaxIter(), changed.getMaxIter()) == (3, 9)
    assert estimator.setParams(featuresCol="tokens").getFeaturesCol() == "tokens"
    assert estimator.setLayers([8, 2]).setCell("gru").getLayers() == [8, 2]
    assert "activation: " in estimator.explainParams()


def test_a_mistake_is_named() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'activation'"):
        CNNClassifier(activaton="relu")
    with pytest.raises(ConfigError, match="maxIter"):
        CNNClassifier(maxIter="many")
    with pytest.raises(ConfigError, match="activation"):
        CNNClassifier(activation="rulu")._experiment(2, None)
    with pytest.raises(ConfigError, match="Did you mean"):
        CNNClassifier(settings={"net.bath_norm": False})._experiment(2, None)
    with pytest.raises(ModelFileError, match="Take one from fit"):
        ClassificationModel().transform(None)
