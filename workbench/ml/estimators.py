"""The estimators. Each one starts from the recipe for its data, and parameters that are set win."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from pyspark.ml import Estimator
from pyspark.ml.util import DefaultParamsReadable, DefaultParamsWritable

from nets import Task
from nets.config import override
from nets.errors import ConfigError
from nets.prepare import PreparationConfig
from workbench.data import DataConfig, SplitConfig
from workbench.data.sources import DataFrameSource
from workbench.experiments.experiment import Experiment
from workbench.experiments.recipes.autoencoders import autoencoder
from workbench.experiments.recipes.facts import Facts, Recipe
from workbench.experiments.recipes.pictures import pictures, small_cnn
from workbench.experiments.recipes.series import recurrent, series
from workbench.experiments.recipes.tables import table
from workbench.experiments.recipes.text import convolutions as text_convolutions
from workbench.experiments.recipes.text import text
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

    from workbench.bridge import Prepared
    from workbench.data import CanonicalFrame

_ROWS = 5_000
"""Rows that a recipe is made for where they are not counted yet."""


class NetEstimator(Estimator, TrainingParams, DefaultParamsWritable, DefaultParamsReadable):
    """Trains a net on a DataFrame with Ray and records it in MLflow."""

    _task: Task
    _sequences = False

    def _net(self, num_outputs: int, recipe: Recipe) -> Any:
        """The net's configuration: the recipe's, with the parameters that are set."""
        raise NotImplementedError

    def _model(self) -> NetModel:
        raise NotImplementedError

    def _fit(self, dataset: DataFrame) -> NetModel:
        # Loads Ray, MLflow and torch, which transform does not need.
        from workbench.ml.fitting import fit_net

        check_columns_params(self, dataset)
        canonical = to_canonical(dataset, self, self._task, sequences=self._sequences)
        counted = functools.partial(self._facts, canonical)
        experiment = self._experiment(canonical.num_outputs, canonical.plan, counted(None))
        from workbench.training.checks import check_before_start
        from workbench.training.idle import check_idle_for_rows

        check_before_start(experiment, reads_source=False)
        check_idle_for_rows(experiment, canonical.spec.kind)

        def settle(prepared: Prepared) -> Experiment:
            """The recipe, now that the rows are counted."""
            facts = counted(prepared)
            return self._experiment(canonical.num_outputs, canonical.plan, facts)

        trained = fit_net(experiment, canonical, dataset.sparkSession, settle)
        model = self._copyValues(self._model())
        return model._set_net(trained.model, trained.run_id, trained.metrics)

    def _facts(self, canonical: CanonicalFrame, prepared: Prepared | None) -> Facts:
        """What the recipe follows from; before the data is prepared, for some thousand rows."""
        counts = () if prepared is None else tuple(prepared.class_counts or ())
        return Facts(
            kind=canonical.spec.kind,
            shape=canonical.spec.shape,
            num_rows=_ROWS if prepared is None else prepared.splits["train"].num_rows,
            labels=canonical.labels if self._task.has_classes else None,
            # Rows that have weights already are not weighted by class.
            class_counts=() if self.isSet("weightCol") else counts,
        )

    def _experiment(
        self, num_outputs: int, plan: int | None, facts: Facts | None = None
    ) -> Experiment:
        """The experiment to train and record: the recipe for the data, and the parameters that are set.

        Args:
            facts: of the data; None: of what the estimator is for.

        Raises:
            ConfigError: a parameter breaks a rule, or would change nothing.
        """
        check_params(self)
        facts = facts or self._usual(num_outputs)
        plain, settings = (
            self._from_params(num_outputs, plan, facts),
            self.getOrDefault("settings"),
        )
        whole = override(plain, settings)
        for param in [p for p in self.params if self.isSet(p) and p.name != "settings"]:
            other = self.copy()
            other.clear(param)
            without = other._from_params(num_outputs, plan, facts)
            if without != plain and override(without, settings) == whole:
                raise ConfigError(
                    f"{param.name} {self.getOrDefault(param)!r} would change nothing: settings "
                    f"{settings} overrule it. Use one of them."
                )
        return whole

    def _usual(self, num_outputs: int) -> Facts:
        """Facts of samples that the estimator is for."""
        labels = tuple(map(str, range(num_outputs))) if self._task.has_classes else None
        kind: Any = "series" if self._sequences else "image"
        shape = (16, 2) if self._sequences else (1, 8, 8)
        return Facts(kind=kind, shape=shape, num_rows=_ROWS, labels=labels)

    def _recipe(self, facts: Facts) -> Recipe:
        """Net and training where no parameter is set."""
        raise NotImplementedError

    def _read_params(self, **names: str) -> dict[str, Any]:
        """Settings by name, from the parameters that have a value."""
        return {
            setting: tuple(value) if isinstance(value, list) else value
            for setting, param in names.items()
            if self.isDefined(param)
            for value in [self.getOrDefault(param)]
        }

    def _from_params(self, num_outputs: int, plan: int | None, facts: Facts) -> Experiment:
        """The experiment without `settings`."""
        task = self._task
        label = None if task.reconstructs else self.getOrDefault("labelCol")
        recipe = self._recipe(facts)
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
            net=self._net(num_outputs, recipe),
            training=replace(
                recipe.training,
                seed=self.getSeed(),
                **self._read_params(
                    epochs="maxIter",
                    batch_size="batchSize",
                    learning_rate="learningRate",
                    optimizer="optimizer",
                ),
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
    """Base of CNNClassifier and CNNRegressor: `layers` are the channels of the blocks; of vectors, the
    widths of dense layers."""

    def _recipe(self, facts: Facts) -> Recipe:
        if facts.kind == "tokens":
            characters = self.getOrDefault("tokenizer") == "characters"
            return text_convolutions(facts, characters=characters)
        if facts.kind == "series":
            return series(facts)
        if facts.kind == "vector":
            return table(facts)
        # Parameters of layers and of a step are for the plain net, not for the residual one.
        names = ("layers", "denseLayers", "dropout", "learningRate", "optimizer")
        if facts.kind == "image" and not any(self.isSet(name) for name in names):
            return pictures(facts)
        return small_cnn(facts)

    def _net(self, num_outputs: int, recipe: Recipe) -> Any:
        given = self._read_params(
            dense="denseLayers",
            activation="activation",
            dropout="dropout",
            embedding="embedding",
        )
        # The recipe chooses a net without one of these only where the parameter is not set.
        known = {name for name in given if hasattr(recipe.net, name)}
        net: Any = replace(recipe.net, **{name: given[name] for name in known})
        if not self.isSet("layers"):
            return net
        return net.with_layers(self._widths(num_outputs), given.get("dense", ()))


class Recurrent(NetEstimator, RecurrentParams):
    """Base of RNNClassifier and RNNRegressor: `layers` are the units of the recurrent layers."""

    _sequences = True

    def _recipe(self, facts: Facts) -> Recipe:
        if facts.kind == "tokens":
            return text(facts, characters=self.getOrDefault("tokenizer") == "characters")
        return recurrent(facts)

    def _net(self, num_outputs: int, recipe: Recipe) -> Any:
        net: Any = recipe.net
        given = self._read_params(
            cell="cell",
            bidirectional="bidirectional",
            summary="summary",
            dense="denseLayers",
            activation="activation",
            dropout="dropout",
            embedding="embedding",
        )
        if self.isSet("layers"):
            widths = self._widths(num_outputs)
            if len(set(widths)) > 1:
                raise ConfigError(
                    f"all recurrent layers must have the same number of units, got layers "
                    f"{list(widths)} for {num_outputs} outputs. Repeat one width, such as "
                    f"{[widths[0]] * len(widths)}; hidden dense layers go to denseLayers."
                )
            net = net.with_layers(widths)
        return replace(net, **given)


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

    DEFAULTS: ClassVar[dict[str, Any]] = {
        "layers": [128, 16],
        "maxIter": 20,
        "batchSize": 64,
        "learningRate": 1e-3,
        "optimizer": "adamw",
        "dropout": 0.0,
    }
    _task = Task.RECONSTRUCTION

    def _recipe(self, facts: Facts) -> Recipe:
        return autoencoder()

    def _net(self, num_outputs: int, recipe: Recipe) -> Any:
        *hidden, code = self.getOrDefault("layers")
        return replace(
            recipe.net,
            code_size=code,
            hidden=tuple(hidden),
            activation=self.getOrDefault("activation"),
            dropout=self.getOrDefault("dropout"),
        )

    def _model(self) -> NetModel:
        return AutoencoderModel()
