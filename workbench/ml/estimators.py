"""The estimators. Each one builds its net from the parameters; the rest is shared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyspark.ml import Estimator
from pyspark.ml.util import DefaultParamsReadable, DefaultParamsWritable

from nets import Task
from nets.autoencoder import AutoencoderConfig
from nets.cnn import BlockConfig, CNNConfig
from nets.config import override
from nets.errors import ConfigError
from nets.prepare import PreparationConfig
from nets.rnn import RNNConfig
from nets.training import TrainingConfig
from workbench.data import DataConfig, SplitConfig
from workbench.data.sources import DataFrameSource
from workbench.experiments.experiment import Experiment
from workbench.ml.canonical import to_canonical
from workbench.ml.idle_params import check_columns_params, check_params
from workbench.ml.models import AutoencoderModel, ClassificationModel, NetModel, RegressionModel
from workbench.ml.params import (
    ClassParams,
    CodeParams,
    ConvolutionParams,
    LabelParams,
    RecurrentParams,
    TrainingParams,
)

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


class NetEstimator(Estimator, TrainingParams, DefaultParamsWritable, DefaultParamsReadable):
    """Trains a net on a DataFrame with Ray and records it in MLflow."""

    _task: Task
    _sequences = False

    def _net(self, num_outputs: int) -> Any:
        """The net's configuration."""
        raise NotImplementedError

    def _model(self) -> NetModel:
        raise NotImplementedError

    def _fit(self, dataset: DataFrame) -> NetModel:
        # Loads Ray, MLflow and torch, which transform does not need.
        from workbench.ml.fitting import fit_net

        check_columns_params(self, dataset)
        canonical = to_canonical(dataset, self, self._task, sequences=self._sequences)
        experiment = self._experiment(canonical.num_outputs, canonical.plan)
        from workbench.training.checks import check_before_start
        from workbench.training.idle import check_idle_for_rows

        check_before_start(experiment, reads_source=False)
        check_idle_for_rows(experiment, canonical.spec.kind)
        trained = fit_net(experiment, canonical, dataset.sparkSession)
        model = self._copyValues(self._model())
        return model._set_net(trained.model, trained.run_id, trained.metrics)

    def _experiment(self, num_outputs: int, plan: int | None) -> Experiment:
        """The experiment to train and record.

        Raises:
            ConfigError: a parameter breaks a rule, or would change nothing.
        """
        check_params(self)
        plain, settings = self._from_params(num_outputs, plan), self.getOrDefault("settings")
        whole = override(plain, settings)
        for param in [p for p in self.params if self.isSet(p) and p.name != "settings"]:
            other = self.copy()
            other.clear(param)
            without = other._from_params(num_outputs, plan)
            if without != plain and override(without, settings) == whole:
                raise ConfigError(
                    f"{param.name} {self.getOrDefault(param)!r} would change nothing: settings "
                    f"{settings} overrule it. Use one of them."
                )
        return whole

    def _from_params(self, num_outputs: int, plan: int | None) -> Experiment:
        """The experiment without `settings`."""
        task = self._task
        label = None if task.reconstructs else self.getOrDefault("labelCol")
        learned: Any = {"loss": task.losses[0], "monitor": task.monitor, "mode": task.mode}
        return Experiment(
            name=self.getOrDefault("experiment")
            if self.isDefined("experiment")
            else type(self).__name__,
            data=DataConfig(
                source=DataFrameSource(features=(self.getFeaturesCol(),), label=label, plan=plan),
                split=SplitConfig(
                    validation=self.getOrDefault("validationFraction"),
                    test=0,
                    seed=self.getSeed(),
                ),
            ),
            preparation=PreparationConfig(method=self.getOrDefault("preparation")),
            net=self._net(num_outputs),
            training=TrainingConfig(
                epochs=self.getMaxIter(),
                batch_size=self.getBatchSize(),
                learning_rate=self.getLearningRate(),
                optimizer=self.getOrDefault("optimizer"),
                seed=self.getSeed(),
                **learned,
            ),
        )

    def _widths(self, num_outputs: int) -> tuple[int, ...]:
        """`layers` without the last one if that is the number of outputs.

        Raises:
            ConfigError: no layer is left.
        """
        widths = tuple(self.getOrDefault("layers"))
        if len(widths) > 1 and widths[-1] == num_outputs:
            widths = widths[:-1]
        if not widths or min(widths) < 1:
            raise ConfigError(f"layers must be one or more whole numbers >= 1, got {list(widths)}.")
        return widths


class Convolutional(NetEstimator, ConvolutionParams):
    """Base of CNNClassifier and CNNRegressor: `layers` are the channels of the blocks."""

    def _net(self, num_outputs: int) -> CNNConfig:
        return CNNConfig(
            blocks=tuple(BlockConfig(channels=width) for width in self._widths(num_outputs)),
            dense=tuple(self.getOrDefault("denseLayers")),
            activation=self.getOrDefault("activation"),
            dropout=self.getOrDefault("dropout"),
            embedding=self.getOrDefault("embedding"),
        )


class Recurrent(NetEstimator, RecurrentParams):
    """Base of RNNClassifier and RNNRegressor: `layers` are the units of the recurrent layers."""

    _sequences = True

    def _net(self, num_outputs: int) -> RNNConfig:
        widths = self._widths(num_outputs)
        if len(set(widths)) > 1:
            raise ConfigError(
                f"all recurrent layers must have the same number of units, got layers {list(widths)} for "
                f"{num_outputs} outputs. Repeat one width, such as {[widths[0]] * len(widths)}; hidden "
                "dense layers go to denseLayers."
            )
        return RNNConfig(
            cell=self.getOrDefault("cell"),
            hidden=widths[0],
            layers=len(widths),
            bidirectional=self.getOrDefault("bidirectional"),
            summary=self.getOrDefault("summary"),
            dense=tuple(self.getOrDefault("denseLayers")),
            activation=self.getOrDefault("activation"),
            dropout=self.getOrDefault("dropout"),
            embedding=self.getOrDefault("embedding"),
        )


class CNNClassifier(Convolutional, ClassParams, LabelParams):
    """Convolutional net for classes: pictures, series, token ids or text.

    `CNNClassifier(layers=[32, 64, 10], featuresCol="image").fit(train).transform(test)`

    Labels can be text, booleans or numbers. If all classes are numbers, predictions are these
    numbers; else the index of the class in alphabetical order, as `StringIndexer`'s alphabetAsc.
    """

    _task = Task.CLASSES

    def _model(self) -> NetModel:
        return ClassificationModel()


class CNNRegressor(Convolutional, LabelParams):
    """Convolutional net for measured values: one number, or several in an array or vector."""

    _task = Task.VALUES

    def _model(self) -> NetModel:
        return RegressionModel()


class RNNClassifier(Recurrent, ClassParams, LabelParams):
    """Recurrent net for classes: text (strings, or arrays of tokens), token ids or series.

    `RNNClassifier(layers=[64, 2], cell="gru", featuresCol="text").fit(train).transform(test)`

    Predictions are the same as for `CNNClassifier`.
    """

    _task = Task.CLASSES

    def _model(self) -> NetModel:
        return ClassificationModel()


class RNNRegressor(Recurrent, LabelParams):
    """Recurrent net for measured values: one number, or several in an array or vector."""

    _task = Task.VALUES

    def _model(self) -> NetModel:
        return RegressionModel()


class Autoencoder(NetEstimator, CodeParams):
    """Dense autoencoder: `layers` are the hidden widths, the last is the size of the code.

    No labels. Pictures, series and vectors; measured values, no text.
    """

    DEFAULTS = {"layers": [128, 16]}  # noqa: RUF012
    _task = Task.RECONSTRUCTION

    def _net(self, num_outputs: int) -> AutoencoderConfig:
        *hidden, code = self.getOrDefault("layers")
        return AutoencoderConfig(
            code_size=code,
            hidden=tuple(hidden),
            activation=self.getOrDefault("activation"),
            dropout=self.getOrDefault("dropout"),
        )

    def _model(self) -> NetModel:
        return AutoencoderModel()
